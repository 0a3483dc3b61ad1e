import type { NodeId } from "../../core/ids.ts";
import type { NodeCapacity } from "./capacity.ts";

/** What the score must know of a node that passed the filter. */
export type ScoreNode = {
  readonly node: NodeId;
  /** Replicas of the same deployment and version that run there. */
  readonly versionReplicas: number;
  /** Replicas of the same deployment that run there, of whichever version. */
  readonly deploymentReplicas: number;
  /** See {@link allocatedShare}. */
  readonly allocatedShare: number;
};

/**
 * Orders nodes, best first: SPREAD. Fewest replicas of the version, then of the deployment, then the least allocated,
 * then by id. The version comes first so that a surge of new replicas ends as evenly spread as the old ones were.
 */
export function placeScore(a: ScoreNode, b: ScoreNode): number {
  return (
    a.versionReplicas - b.versionReplicas ||
    a.deploymentReplicas - b.deploymentReplicas ||
    a.allocatedShare - b.allocatedShare ||
    (a.node < b.node ? -1 : 1)
  );
}

/** The largest share of any resource that is taken, 0 to 1. */
export function allocatedShare({ total, free }: Pick<NodeCapacity, "total" | "free">): number {
  let most = 0;
  for (const [name, amount] of total) {
    if (amount > 0) most = Math.max(most, 1 - (free.get(name) ?? 0) / amount);
  }
  return most;
}
