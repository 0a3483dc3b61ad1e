import { NODE_LOST_AFTER_MS, NODE_SUSPECT_AFTER_MS } from "../../core/limits.ts";
import type { NodeState } from "../../core/status.ts";
import type { NodeRecord } from "./cluster.ts";

/** A lost node is shown for so long, then forgotten. */
export const LOST_NODE_KEPT_MS = 10 * 60_000;

/** What a node's silence makes of it. */
export type NodeLease = {
  readonly state: NodeState | "forgotten";
  readonly reason: "heard" | "silent" | "disconnected" | "drainAsked";
};

/**
 * Judges a node by when it was last heard. A broken stream makes it suspect at once, so that nothing new is placed
 * there, but only silence makes it lost: a worker that restarts is back well before. A lost node stays lost until its
 * worker registers again. `isDraining`: somebody asked for it to be emptied, which silence does not undo.
 */
export function nodeLease(
  node: Pick<NodeRecord, "state" | "lastHeardAt" | "isConnected"> & { readonly isDraining?: boolean },
  now: number,
): NodeLease {
  const silentMs = now - node.lastHeardAt;
  if (silentMs >= LOST_NODE_KEPT_MS) return { state: "forgotten", reason: "silent" };
  if (node.state === "lost" || silentMs >= NODE_LOST_AFTER_MS) return { state: "lost", reason: "silent" };
  if (!node.isConnected) return { state: "suspect", reason: "disconnected" };
  if (silentMs >= NODE_SUSPECT_AFTER_MS) return { state: "suspect", reason: "silent" };
  if (node.isDraining === true) return { state: "draining", reason: "drainAsked" };
  return { state: "live", reason: "heard" };
}
