/**
 * What `serve deploy` and `serve run` share: bundle → upload what the controller lacks → put the applications → wait
 * until they are healthy. Each step can be done again after any failure: blobs are named by their content, and a put of
 * what is there changes nothing.
 */
import type { Clock } from "../core/clock.ts";
import { sleep } from "../core/clock.ts";
import type { ApplicationSpec } from "../core/spec.ts";
import type { ApplicationStatusView, ClusterStatus } from "../core/status.ts";
import type { PutAnswer } from "../sdk/admin-client.ts";
import { type AdminClient, bodyBytes, type UploadBody } from "./admin-client.ts";
import { CliError, EXIT } from "./exit-code.ts";

/** A supervisor starts a killed controller again within 5 s; it answers a second later. */
export const AWAY_PATIENCE_MS = 15_000;
/** Between two looks at an application that is on its way. */
const POLL_MS = 50;
/** A deploy is watched for so long; after that it goes on by itself. */
const MOST_WAIT_MS = 15 * 60_000;
/** Replicas that no node has room for are waited for so long: a node may be on its way. */
const PENDING_PATIENCE_MS = 10_000;
/** Blobs on their way at one time. */
const UPLOADS_AT_ONCE = 4;
/** Characters of a module's own prints that a deploy repeats. */
const MOST_SHOWN_OUTPUT = 2_000;

/** A blob of a bundle: its digest and how to get its bytes. */
export type BlobToSend = { readonly digest: string; readonly body: () => UploadBody | Promise<UploadBody> };

/** An application, ready to be put. */
export type PreparedApplication = {
  readonly spec: ApplicationSpec;
  readonly secrets: Readonly<Record<string, string>>;
};

/** Everything a deploy sends. */
export type PreparedDeploy = {
  readonly applications: readonly PreparedApplication[];
  readonly blobs: readonly BlobToSend[];
  /** Every file that had a part in it, absolute. */
  readonly sources: readonly string[];
  /** What the user's code printed while it was read; empty mostly. */
  readonly output: string;
};

/** What a deploy talks through. */
export type DeployDeps = {
  readonly client: AdminClient;
  readonly clock: Clock;
  readonly progress: (text: string) => void;
  /** A deploy that was accepted goes on while the controller restarts; how long to wait for it to answer again. */
  readonly awayPatienceMs: number;
};

/** Sends blobs and specifications. Returns what changes, an entry per application. */
export async function putApplications(
  deps: DeployDeps,
  deploy: Pick<PreparedDeploy, "applications" | "blobs">,
): Promise<readonly PutAnswer[]> {
  await upload(deps, deploy.blobs);
  const changes: PutAnswer[] = [];
  for (const { spec, secrets } of deploy.applications)
    changes.push(await deps.client.putApplication(spec, secrets, false));
  return changes;
}

/** Says what {@link putApplications} would change, and changes nothing. */
export async function planApplications(deps: DeployDeps, deploy: PreparedDeploy): Promise<readonly PutAnswer[]> {
  const changes: PutAnswer[] = [];
  for (const { spec, secrets } of deploy.applications)
    changes.push(await deps.client.putApplication(spec, secrets, true));
  return changes;
}

/**
 * Resolves when the application runs as it was put.
 *
 * @throws {CliError} with the first cause when it failed, when another deploy overtook it, when no node has room for
 *   it, or when it takes too long.
 */
export async function waitUntilRunning(
  deps: DeployDeps,
  put: Pick<PutAnswer, "application" | "version">,
): Promise<void> {
  const { client, clock, progress } = deps;
  const { application: name } = put;
  const giveUpAt = clock.now() + MOST_WAIT_MS;
  let pendingSince: number | undefined;
  for (;;) {
    const view = await answered(deps, () => client.application(name));
    if (view === undefined) throw new CliError(EXIT.failed, `application ${name} was deleted while it was deployed`);
    if (view.status === "deploy_failed") throw deployFailed(view);
    if (view.version !== put.version) throw overtaken(put, view);
    if (view.status === "running") return;
    progress(describeProgress(view));
    const now = clock.now();
    pendingSince = isOnlyPending(view) ? (pendingSince ?? now) : undefined;
    if (pendingSince !== undefined && now - pendingSince > PENDING_PATIENCE_MS) throw stillPending(view);
    if (now > giveUpAt) {
      const message = `application ${name} is not healthy after ${String(MOST_WAIT_MS / 60_000)} minutes: ${describeProgress(view)}`;
      throw new CliError(
        EXIT.failed,
        message,
        `it goes on by itself; see \`thornback status\` and \`thornback logs ${name}\``,
      );
    }
    await sleep(clock, POLL_MS);
  }
}

/** The controller's answer, asked for again while it does not answer. */
export async function answered<T>(
  { client, clock, progress, awayPatienceMs }: DeployDeps,
  ask: () => Promise<T>,
): Promise<T> {
  const giveUpAt = clock.now() + awayPatienceMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isAway = error instanceof CliError && error.exitCode === EXIT.unavailable;
      if (!isAway || clock.now() >= giveUpAt) throw error;
      progress(`waiting for the controller at ${client.address} to answer again`);
      await sleep(clock, POLL_MS);
    }
  }
}

/** One line for a person: what each unfinished deployment waits for. */
export function describeProgress(view: ApplicationStatusView): string {
  const parts = view.deployments
    .filter((deployment) => deployment.status !== "healthy")
    .map((deployment) => {
      // The controller's words count the new version only; the list has replicas of the one before too.
      if (deployment.reason !== "") return `${deployment.name}: ${firstLine(deployment.reason)}`;
      const ready = deployment.replicas.filter((replica) => replica.state === "ready").length;
      const reasons = deployment.replicas
        .filter((replica) => replica.state !== "ready")
        .map((replica) => replica.reason);
      const reason = reasons.find((text) => text !== "") ?? "";
      const count = `${String(ready)}/${String(deployment.targetReplicas)} ready`;
      return `${deployment.name} ${count}${reason === "" ? "" : ` (${firstLine(reason)})`}`;
    });
  return `${view.name}: ${view.status}${parts.length === 0 ? "" : ` – ${parts.join(", ")}`}`;
}

/** Where an application answers, by a node whose proxy does; undefined when none does. */
export function applicationUrl(status: ClusterStatus, name: string): string | undefined {
  const application = status.applications.find((one) => one.name === name);
  const node = status.nodes.find((one) => one.httpUrl !== "" && one.state === "live");
  if (application === undefined || node === undefined) return undefined;
  return joinUrl(node.httpUrl, application.routePrefix);
}

/** What user code printed while it was read, short enough for a terminal. */
export function shownOutput(output: string): string {
  return output.length <= MOST_SHOWN_OUTPUT
    ? output
    : `${output.slice(0, MOST_SHOWN_OUTPUT)}… (${String(output.length)} characters)`;
}

/** The URL of a route prefix, always with a path. */
export function joinUrl(httpUrl: string, routePrefix: string): string {
  return `${httpUrl.replace(/\/$/, "")}${routePrefix}`;
}

/** Whether a put changed nothing at all. */
export function isUnchanged(changes: PutAnswer): boolean {
  const { changed, reconfigured, added, removed, routePrefix, hasOtherSecrets, hasOtherAccess } = changes;
  const names = [...changed, ...reconfigured, ...added, ...removed];
  return names.length === 0 && routePrefix === undefined && !hasOtherSecrets && hasOtherAccess !== true;
}

/** What changed, in words: `Classifier replaced, Gateway unchanged`. */
export function describeChanges(changes: PutAnswer): string {
  if (isUnchanged(changes)) return "unchanged";
  const kinds = [
    [changes.added, "added"],
    [changes.changed, "replaced"],
    [changes.reconfigured, "changed in place"],
    [changes.removed, "removed"],
    [changes.unchanged, "unchanged"],
  ] as const;
  const parts = kinds.filter(([names]) => names.length > 0).map(([names, word]) => `${names.join(", ")} ${word}`);
  if (changes.routePrefix !== undefined) parts.push(`now under ${changes.routePrefix}`);
  if (changes.hasOtherSecrets) parts.push("new secrets for replicas that start from now on");
  if (changes.hasOtherAccess === true) parts.push("other keys, limits or CORS");
  return parts.join("; ");
}

async function upload(deps: DeployDeps, blobs: readonly BlobToSend[]): Promise<void> {
  const waiting = [...blobs];
  const sendNext = async (): Promise<void> => {
    for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) {
      if (await deps.client.hasBlob(blob.digest)) continue;
      const body = await blob.body();
      const bytes = bodyBytes(body);
      if (bytes > 10_000_000) deps.progress(`uploading ${(bytes / 1e6).toFixed(0)} MB`);
      await deps.client.putBlob(blob.digest, body);
    }
  };
  await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, sendNext));
}

function deployFailed(view: ApplicationStatusView): CliError {
  const failed = view.deployments.filter((deployment) => deployment.status === "deploy_failed");
  const reasons = failed
    .filter((deployment) => deployment.reason !== "")
    .map((deployment) => `deployment ${deployment.name}: ${deployment.reason}`);
  const reason = reasons.length > 0 ? reasons.join("\n  ") : view.reason;
  // A first version that fails has deployments that are ready too, only not the one that failed.
  const stillServes =
    failed.length > 0 && failed.every((one) => one.replicas.some((replica) => replica.state === "ready"));
  const next = stillServes
    ? "the version that served before still serves; correct the cause and deploy again"
    : `correct the cause and deploy again; \`thornback logs ${view.name}\` has what it printed`;
  return new CliError(EXIT.failed, `the deploy of application ${view.name} failed: ${reason}`, next);
}

function overtaken(put: Pick<PutAnswer, "application" | "version">, view: ApplicationStatusView): CliError {
  const message = `version ${put.version} of application ${put.application} was replaced by ${view.version} before it served`;
  return new CliError(
    EXIT.failed,
    message,
    "somebody deployed at the same time; see `thornback status`, then deploy again",
  );
}

function isOnlyPending(view: ApplicationStatusView): boolean {
  const unfinished = view.deployments.flatMap((one) => one.replicas).filter((replica) => replica.state !== "ready");
  return (
    unfinished.length > 0 &&
    unfinished.every((replica) => replica.state === "starting" && replica.nodeId === "" && replica.reason !== "")
  );
}

function stillPending(view: ApplicationStatusView): CliError {
  const deployment = view.deployments.find((one) => one.replicas.some((replica) => replica.nodeId === ""));
  const reason = deployment?.replicas.find((replica) => replica.nodeId === "")?.reason ?? "";
  const name = `${view.name}/${deployment?.name ?? ""}`;
  const message = `deployment ${name} is pending: ${reason}`;
  const next = `it starts by itself once a node has room; \`thornback explain ${name}\` says what is missing`;
  return new CliError(EXIT.failed, message, next);
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
