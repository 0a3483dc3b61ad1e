import path from "node:path";
import { formatAddress, localUrl } from "../address.ts";
import { AdminClient } from "../admin-client.ts";
import { warnOfClash } from "../bin-clash.ts";
import { ConsoleTail } from "../console-tail.ts";
import {
  type DeployDeps,
  describeChanges,
  isUnchanged,
  joinUrl,
  type PreparedDeploy,
  putApplications,
  shownOutput,
  waitUntilRunning,
} from "../deploy.ts";
import { CliError } from "../exit-code.ts";
import { LocalCluster } from "../local-cluster.ts";
import { formatLogLine, isForTerminal } from "../log-line.ts";
import { prepareDeploy, type PrepareFlags } from "../prepare.ts";
import { whileWaiting } from "../progress.ts";
import { type ClusterFlags, clusterOptions, INSPECTOR, RUN_DATA_FOLDER } from "../settings.ts";
import { processFiles } from "../spawn-process.ts";
import { SourceWatch } from "../source-watch.ts";
import type { CommandContext, JsonFlag } from "./context.ts";
import { stopOnInterrupt } from "./stop-on-interrupt.ts";

/** Flags of `serve run`. */
export type RunFlags = ClusterFlags & PrepareFlags & JsonFlag & { readonly reload?: boolean };

/** `serve run app.ts`: a cluster of its own in the foreground that serves these applications and ends with Ctrl-C. */
export async function run(context: CommandContext, file: string, flags: RunFlags): Promise<void> {
  const { clock, random, env, print } = context;
  const base = clusterOptions({ ...flags, dataDir: flags.dataDir ?? RUN_DATA_FOLDER }, env);
  // In a folder of its own it begins with nothing; in one that was named, with what is there.
  const options = { ...base, isFresh: flags.dataDir === undefined };
  const cluster = new LocalCluster(
    { clock, random, env, files: processFiles(), say: (text) => print.warn(text) },
    options,
  );
  const interrupts = stopOnInterrupt(context, cluster);
  const source = path.resolve(file);
  const starting = cluster.start();
  // Bundling goes on while the processes start; whichever fails first is told below.
  const preparing = whileWaiting(context, `bundling ${file}`, prepareDeploy(source, flags, env));
  preparing.catch(() => undefined);
  try {
    await starting;
    const tail = new ConsoleTail({
      clock,
      folder: path.join(options.dataDir, "logs"),
      onLine(line) {
        if (isForTerminal(line)) print.note(formatLogLine(line));
      },
    });
    tail.start();
    void cluster.ended.then(() => tail.close());
    const prepared = await preparing;
    if (prepared.output !== "") print.note(shownOutput(prepared.output));
    const admin = await whileWaiting(context, "waiting until the controller is ready", cluster.adminReady);
    const client = new AdminClient(localUrl(admin), base.worker.token);
    // Its own controller is away only when the cluster ends, and then there is nothing to wait for.
    const progress = (text: string): void => print.progress(text);
    const deps: DeployDeps = { client, clock, progress, awayPatienceMs: 0 };
    for (const put of await putApplications(deps, prepared)) await waitUntilRunning(deps, put);
    const http = await whileWaiting(context, "waiting until the proxy is ready", cluster.httpReady);
    printReady(context, flags, prepared, localUrl(http));
    interrupts.markReady();
    if (flags.inspect === true) print.note(`the inspector of the first replica is at ${formatAddress(INSPECTOR)}`);
    warnOfClash(source, (text) => print.warn(text));
    if (flags.reload === true) reloadOnChange({ context, cluster, source, flags, deps, sources: prepared.sources });
  } catch (error) {
    await cluster.stop();
    // A cluster that ended by itself knows the cause of what failed here; an interrupt is the cause of everything.
    await interrupts.untilEnded();
    throw error;
  }
  await interrupts.untilEnded();
}

function printReady(context: CommandContext, flags: RunFlags, prepared: PreparedDeploy, httpUrl: string): void {
  const applications = prepared.applications.map(({ spec }) => ({
    name: spec.name,
    url: joinUrl(httpUrl, spec.routePrefix),
  }));
  if (flags.json === true) context.print.line(JSON.stringify({ applications }));
  else for (const { name, url } of applications) context.print.line(`${name} is ready: ${url}`);
}

type Reload = {
  readonly context: CommandContext;
  readonly cluster: LocalCluster;
  readonly source: string;
  readonly flags: RunFlags;
  readonly deps: DeployDeps;
  readonly sources: readonly string[];
};

/** Deploys again whenever a source changes; a change that does not work is told, and what served before serves on. */
function reloadOnChange({ context, cluster, source, flags, deps, sources }: Reload): void {
  const { print, clock, env } = context;
  const watching: SourceWatch = new SourceWatch({
    clock,
    sources,
    onChange: async (changed) => {
      print.note(`${path.relative(process.cwd(), changed)} changed: deploying again`);
      try {
        const prepared = await prepareDeploy(source, flags, env);
        watching.follow(prepared.sources);
        const changes = await putApplications(deps, prepared);
        for (const put of changes) await waitUntilRunning(deps, put);
        for (const one of changes)
          print.note(`${one.application}: ${isUnchanged(one) ? "unchanged" : describeChanges(one)}`);
      } catch (error) {
        print.error(CliError.from(error));
      }
    },
  });
  void cluster.ended.then(() => watching.close());
}
