import { RECOVERY_REPORT_WAIT_MS } from "../../core/limits.ts";
import type { ClusterState } from "./cluster.ts";

/**
 * Whether a controller that has just started may begin to act: every node it knew has said what it runs, or they have
 * had their time. Acting earlier would start a second copy of everything that runs well.
 */
export function recovery(
  state: Pick<ClusterState, "startedAt" | "expectedNodes" | "nodes">,
  now: number,
): { readonly kind: "wait" } | { readonly kind: "recover"; readonly reason: "nodesReported" | "waitedLongEnough" } {
  if (state.expectedNodes.every((node) => state.nodes.has(node))) return { kind: "recover", reason: "nodesReported" };
  if (now >= state.startedAt + RECOVERY_REPORT_WAIT_MS) return { kind: "recover", reason: "waitedLongEnough" };
  return { kind: "wait" };
}
