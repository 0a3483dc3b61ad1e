import { formatAddress, localUrl, outwardAddress } from "../address.ts";
import { type ClusterReport, reportStart, startInBackground } from "../background-head.ts";
import { CliError } from "../exit-code.ts";
import { LocalCluster } from "../local-cluster.ts";
import { whileWaiting } from "../progress.ts";
import { type ClusterFlags, clusterOptions } from "../settings.ts";
import { processFiles } from "../spawn-process.ts";
import type { CommandContext, JsonFlag } from "./context.ts";
import { stopOnInterrupt } from "./stop-on-interrupt.ts";

/** Flags of `serve start`. */
export type StartFlags = ClusterFlags & JsonFlag & { readonly detach?: boolean };

/** `serve start`: a head, or with `--join` a worker node, until it is told to stop; with `--detach` in the background. */
export async function start(context: CommandContext, flags: StartFlags): Promise<void> {
  const options = clusterOptions(flags, context.env);
  if (flags.detach === true) {
    const starting = startInBackground(clusterArguments(flags), options.dataDir);
    const report = await whileWaiting(context, "waiting until it is ready", starting);
    printReport(context, flags, report);
    return;
  }
  const { clock, random, env, print } = context;
  const cluster = new LocalCluster(
    { clock, random, env, files: processFiles(), say: (text) => print.warn(text) },
    options,
  );
  try {
    await runUntilEnded(context, cluster, flags, options.dataDir);
  } catch (error) {
    const { message, next, exitCode } = CliError.from(error);
    reportStart({ kind: "failed", message, next, exitCode }, env);
    throw error;
  }
}

async function runUntilEnded(
  context: CommandContext,
  cluster: LocalCluster,
  flags: StartFlags,
  dataDir: string,
): Promise<void> {
  const interrupts = stopOnInterrupt(context, cluster);
  await cluster.start();
  const ready = (async () => {
    const wait = <T>(what: string, result: Promise<T>): Promise<T> =>
      whileWaiting(context, `waiting until the ${what} is ready`, result);
    const admin = flags.join === undefined ? await wait("controller", cluster.adminReady) : undefined;
    const http = await wait("proxy", cluster.httpReady);
    const head =
      admin === undefined || cluster.grpc === undefined
        ? {}
        : { admin: localUrl(admin), grpc: formatAddress(outwardAddress(cluster.grpc)) };
    const report: ClusterReport = { pid: process.pid, dataDir, ...head, http: localUrl(http) };
    reportStart({ kind: "ready", ...report }, context.env);
    printReport(context, flags, report);
    interrupts.markReady();
  })();
  // A cluster that ends before it is ready says why through `ended`.
  ready.catch(() => undefined);
  await interrupts.untilEnded();
}

function printReport(context: CommandContext, flags: StartFlags, report: ClusterReport): void {
  const { print } = context;
  if (flags.json === true) {
    print.line(JSON.stringify(report));
    return;
  }
  if (report.admin === undefined) {
    print.line(`node is ready: HTTP ${report.http}, joined ${flags.join ?? ""}`);
  } else {
    print.line(
      `head is ready: HTTP ${report.http}, admin ${report.admin}, workers join with --join ${report.grpc ?? ""}`,
    );
  }
  if (flags.detach === true)
    print.note(`it runs in the background as process ${String(report.pid)}; logs in ${report.dataDir}/logs`);
}

/** The flags of a cluster as arguments again, for the process that will run it. */
export function clusterArguments(flags: ClusterFlags): readonly string[] {
  const words: [string, string | undefined][] = [
    ["--http-port", flags.httpPort],
    ["--admin-port", flags.adminPort],
    ["--grpc-port", flags.grpcPort],
    ["--http-host", flags.httpHost],
    ["--admin-host", flags.adminHost],
    ["--grpc-host", flags.grpcHost],
    ["--data-dir", flags.dataDir],
    ["--resources", flags.resources],
    ["--labels", flags.labels],
    ["--token-file", flags.tokenFile],
    ["--proxies", flags.proxies],
    ["--http-front", flags.httpFront],
    ["--trusted-proxies", flags.trustedProxies],
    ["--log-level", flags.logLevel],
    ["--join", flags.join],
  ];
  return words.flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}
