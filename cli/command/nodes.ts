import { sleep } from "../../core/clock.ts";
import { DEFAULT_NODE_DRAIN_MS, LONGEST_NODE_DRAIN_MS } from "../../core/limits.ts";
import type { DemandView, NodeStatusView } from "../../core/status.ts";
import { answered, AWAY_PATIENCE_MS, type DeployDeps } from "../deploy.ts";
import { parseDurationMs } from "../duration.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { table } from "../print.ts";
import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext, type JsonFlag } from "./context.ts";
import { amountsText, formatDemand } from "./status.ts";

/** Between two looks at a node that is emptied. */
const POLL_MS = 100;
/** What does not end by the deadline is ended by force; a node that has something left after this too is told. */
const LATE_MS = 60_000;

/** Flags of `serve nodes drain`. */
export type DrainFlags = ClientFlags & JsonFlag & { readonly deadline?: string; readonly wait: boolean };

/** `serve nodes`: every node with what it has, what is left of it, and what is wrong with it. */
export async function nodes(context: CommandContext, flags: ClientFlags & JsonFlag): Promise<void> {
  const client = adminClient(flags);
  const [{ nodes: views }, demand] = [await client.status(), await client.demand()];
  if (flags.json === true) context.print.json({ nodes: views, demand });
  else context.print.line(formatNodeList(views, demand));
}

/** The nodes as text for people. */
export function formatNodeList(views: readonly NodeStatusView[], demand: DemandView): string {
  const rows = views.map((node) => {
    const labels = Object.entries(node.labels).map(([name, value]) => `${name}=${value}`);
    const replicas = `${String(node.replicas)} ${node.replicas === 1 ? "replica" : "replicas"}`;
    return [node.id, node.state, replicas, amountsText(node), node.httpUrl, labels.join(","), node.reason];
  });
  const list = rows.length === 0 ? "no nodes" : table(rows);
  const pending = formatDemand(demand);
  return pending === "" ? list : `${list}\n${pending}`;
}

/** `serve nodes drain NODE`: replaces what runs there elsewhere, and returns when nothing is left on it. */
export async function drainNode(context: CommandContext, node: string, flags: DrainFlags): Promise<void> {
  const { print } = context;
  const bounds = { leastMs: 0, mostMs: LONGEST_NODE_DRAIN_MS };
  const deadlineMs =
    flags.deadline === undefined ? DEFAULT_NODE_DRAIN_MS : parseDurationMs(flags.deadline, "--deadline", bounds);
  const client = adminClient(flags);
  const { deadlineAt } = await client.drainNode(node, deadlineMs);
  const progress = (text: string): void => print.progress(text);
  const deps = { client, clock: context.clock, progress, awayPatienceMs: AWAY_PATIENCE_MS };
  if (flags.wait) await waitUntilEmpty(deps, { node, deadlineMs });
  if (flags.json === true) print.json({ node, deadlineAt, isDrained: flags.wait });
  else print.note(flags.wait ? `node ${node} is drained: nothing runs on it` : `node ${node} drains by ${deadlineAt}`);
}

/** `serve nodes undrain NODE`: uses it again. */
export async function undrainNode(context: CommandContext, node: string, flags: ClientFlags): Promise<void> {
  await adminClient(flags).undrainNode(node);
  context.print.note(`node ${node} is used again`);
}

/**
 * Resolves when nothing is left on a node that drains, or it is gone itself.
 *
 * @throws {CliError} when somebody undrained it, or something is still there long after the deadline
 */
export async function waitUntilEmpty(
  deps: DeployDeps,
  { node, deadlineMs }: { readonly node: string; readonly deadlineMs: number },
): Promise<void> {
  const { client, clock, progress } = deps;
  const giveUpAt = clock.now() + deadlineMs + LATE_MS;
  let seenAt = clock.now();
  for (;;) {
    const view = (await answered(deps, () => client.status())).nodes.find(({ id }) => id === node);
    const now = clock.now();
    if (view?.state === "lost" || view?.replicas === 0) return;
    if (view?.state === "live") {
      throw new CliError(EXIT.failed, `node ${node} is used again`, "somebody undrained it; see `thornback nodes`");
    }
    // A controller that has just started knows no node until its worker has come back.
    if (view === undefined && now - seenAt > deps.awayPatienceMs) return;
    if (view !== undefined) {
      seenAt = now;
      const pending = formatDemand(await answered(deps, () => client.demand()));
      progress(`node ${node} ${view.reason}${pending === "" ? "" : ` (${pending})`}`);
    }
    if (view !== undefined && now > giveUpAt) {
      const next = "it goes on by itself; see `thornback nodes` and `thornback status`";
      throw new CliError(EXIT.failed, `node ${node} is not empty after its deadline: ${view.reason}`, next);
    }
    await sleep(clock, POLL_MS);
  }
}
