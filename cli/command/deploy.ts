import path from "node:path";
import { sleep } from "../../core/clock.ts";
import type { PutAnswer } from "../../sdk/admin-client.ts";
import { AdminClient } from "../admin-client.ts";
import { startInBackground } from "../background-head.ts";
import {
  AWAY_PATIENCE_MS,
  applicationUrl,
  describeChanges,
  type DeployDeps,
  isUnchanged,
  planApplications,
  type PreparedDeploy,
  putApplications,
  shownOutput,
  waitUntilRunning,
} from "../deploy.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { prepareDeploy, type PrepareFlags } from "../prepare.ts";
import { whileWaiting } from "../progress.ts";
import { adminUrl, type ClusterFlags, clusterOptions, readToken } from "../settings.ts";
import type { CommandContext, JsonFlag } from "./context.ts";
import { clusterArguments } from "./start.ts";

/** Flags of `serve deploy`. */
export type DeployFlags = ClusterFlags &
  PrepareFlags &
  JsonFlag & { readonly address?: string; readonly local?: boolean; readonly wait: boolean; readonly plan?: boolean };

/** `serve deploy`: bundles, deploys, waits until the applications are healthy and prints where they answer. */
export async function deploy(context: CommandContext, file: string, flags: DeployFlags): Promise<void> {
  const { print, clock, onInterrupt } = context;
  const unsubscribe = onInterrupt(() => {
    print.error(
      new CliError(
        EXIT.interrupted,
        "interrupted",
        "what the controller has accepted goes on; deploy again to see it through",
      ),
    );
    process.exit(EXIT.interrupted);
  });
  const preparing = whileWaiting(context, `bundling ${file}`, prepareDeploy(path.resolve(file), flags, context.env));
  // It is awaited below; until then a head may be starting.
  preparing.catch(() => undefined);
  const client = await findController(context, flags, preparing);
  const deps: DeployDeps = {
    client,
    clock,
    progress: (text) => print.progress(text),
    awayPatienceMs: AWAY_PATIENCE_MS,
  };
  const prepared = await preparing;
  if (prepared.output !== "") print.note(shownOutput(prepared.output));
  if (flags.plan === true) {
    report(context, flags, await planApplications(deps, prepared), undefined);
  } else {
    const changes = await putApplications(deps, prepared);
    if (flags.wait) for (const put of changes) await waitUntilRunning(deps, put);
    report(context, flags, changes, flags.wait ? await urls(client, changes) : undefined);
  }
  unsubscribe();
}

/** The controller to deploy to; starts a local head where the contract says so. */
async function findController(
  context: CommandContext,
  flags: DeployFlags,
  preparing: Promise<PreparedDeploy>,
): Promise<AdminClient> {
  const { env, print } = context;
  const client = new AdminClient(adminUrl(flags), readToken(flags.tokenFile));
  if (flags.address !== undefined || (await client.answers())) {
    await warnOfIgnored(context, flags, client);
    return client;
  }
  if (flags.plan === true) {
    const next = "without --plan, deploy starts a cluster on this machine";
    throw new CliError(
      EXIT.unavailable,
      `nothing answers at ${client.address}: there is nothing to compare with`,
      next,
    );
  }
  const isCi = (env["CI"] ?? "") !== "" && env["CI"] !== "false";
  if (isCi && flags.local !== true) {
    const next = "pass --local to start a head on this machine, or --address with the admin URL of a cluster";
    throw new CliError(EXIT.unavailable, `nothing answers at ${client.address}, and CI is set`, next);
  }
  const options = clusterOptions(flags, env);
  // A file that does not bundle is told before a head is left running for nothing.
  await preparing;
  print.note(
    `nothing answers at ${client.address}: starting a local head in the background (data in ${options.dataDir})`,
  );
  const starting = startInBackground(clusterArguments(flags), options.dataDir);
  const head = await whileWaiting(context, "waiting until the local head is ready", starting).catch(
    async (error: unknown) => {
      const isTaken = error instanceof CliError && error.exitCode === EXIT.refused;
      // Another deploy may have started one here at the same moment.
      if (isTaken && (await answersInTime(context, client))) return undefined;
      throw error;
    },
  );
  if (head === undefined) return client;
  print.note(`the local head runs as process ${String(head.pid)}; \`thornback shutdown\` ends it`);
  return new AdminClient(head.admin ?? client.address, readToken(flags.tokenFile));
}

/** Flags that only a cluster that deploy starts itself would obey. */
const START_FLAGS = {
  "--http-port": "httpPort",
  "--http-host": "httpHost",
  "--grpc-port": "grpcPort",
  "--grpc-host": "grpcHost",
  "--proxies": "proxies",
  "--http-front": "httpFront",
  "--trusted-proxies": "trustedProxies",
  "--resources": "resources",
  "--labels": "labels",
} as const satisfies Readonly<Record<string, keyof ClusterFlags>>;

/** Says which flags have no effect, because a cluster that runs keeps what it was started with. */
async function warnOfIgnored({ print }: CommandContext, flags: DeployFlags, client: AdminClient): Promise<void> {
  // A port 0 asks for none in particular, so the one that there is will do.
  const isAsked = (value: string | undefined): boolean => value !== undefined && value !== "0";
  const given = Object.entries(START_FLAGS).filter(([, name]) => isAsked(flags[name]));
  if (given.length === 0) return;
  const { nodes } = await client.status();
  const hasPort = nodes.some(({ httpUrl }) => httpUrl !== "" && new URL(httpUrl).port === flags.httpPort);
  const ignored = given.map(([flag]) => flag).filter((flag) => flag !== "--http-port" || !hasPort);
  if (ignored.length === 0) return;
  const names = ignored.join(", ");
  const verb = ignored.length === 1 ? "is" : "are";
  print.warn(`${names} ${verb} ignored: the cluster at ${client.address} keeps what it was started with`);
}

async function answersInTime({ clock, print }: CommandContext, client: AdminClient): Promise<boolean> {
  const giveUpAt = clock.now() + AWAY_PATIENCE_MS;
  while (!(await client.answers())) {
    if (clock.now() >= giveUpAt) return false;
    print.progress(`waiting for the cluster that starts in this data directory to answer at ${client.address}`);
    await sleep(clock, 50);
  }
  return true;
}

async function urls(client: AdminClient, changes: readonly PutAnswer[]): Promise<ReadonlyMap<string, string>> {
  const status = await client.status();
  const found = changes.map(({ application }) => [application, applicationUrl(status, application) ?? ""] as const);
  return new Map(found);
}

function report(
  context: CommandContext,
  flags: DeployFlags,
  changes: readonly PutAnswer[],
  found: ReadonlyMap<string, string> | undefined,
): void {
  const { print } = context;
  if (flags.json === true) {
    const applications = changes.map((one) => ({
      ...one,
      isUnchanged: isUnchanged(one),
      url: found?.get(one.application),
    }));
    print.json(flags.plan === true ? { plan: applications } : { applications });
    return;
  }
  for (const one of changes) {
    print.note(`${one.application}: ${flags.plan === true ? "would be: " : ""}${describeChanges(one)}`);
    const url = found?.get(one.application);
    if (url !== undefined) print.line(url === "" ? `${one.application} runs; no node's proxy answers yet` : url);
  }
}
