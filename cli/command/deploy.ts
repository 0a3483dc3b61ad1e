import path from "node:path";
import { AdminClient, type DeployChanges } from "../admin-client.ts";
import { startInBackground } from "../background-head.ts";
import {
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
  const preparing = prepareDeploy(path.resolve(file), flags, context.env);
  // It is awaited below; until then a head may be starting.
  preparing.catch(() => undefined);
  const client = await findController(context, flags, preparing);
  const deps: DeployDeps = { client, clock, progress: (text) => print.progress(text) };
  const prepared = await preparing;
  if (prepared.output !== "") print.note(shownOutput(prepared.output));
  if (flags.plan === true) {
    report(context, flags, await planApplications(deps, prepared), undefined);
  } else {
    const changes = await putApplications(deps, prepared);
    if (flags.wait) for (const { application } of changes) await waitUntilRunning(deps, application);
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
  if (flags.address !== undefined || (await client.answers())) return client;
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
  const head = await startInBackground(clusterArguments(flags), options.dataDir);
  print.note(`the local head runs as process ${String(head.pid)}; \`thornback shutdown\` ends it`);
  return new AdminClient(head.admin ?? client.address, readToken(flags.tokenFile));
}

async function urls(client: AdminClient, changes: readonly DeployChanges[]): Promise<ReadonlyMap<string, string>> {
  const status = await client.status();
  const found = changes.map(({ application }) => [application, applicationUrl(status, application) ?? ""] as const);
  return new Map(found);
}

function report(
  context: CommandContext,
  flags: DeployFlags,
  changes: readonly DeployChanges[],
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
