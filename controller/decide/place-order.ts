import type { DeploymentId, ReplicaId } from "../../core/ids.ts";

/** A replica that waits for a node. */
export type WaitingReplica = { readonly id: ReplicaId; readonly deployment: DeploymentId; readonly createdAt: number };

/** What its deployment has and is to have. */
export type PlaceNeed = {
  /** Replicas that have a node, whether they serve yet or not. */
  readonly placed: number;
  readonly target: number;
  /** Fewest it is to have; of one that does not scale by itself, all. */
  readonly least: number;
};

/**
 * In which order replicas get what is free. When a cluster is full, this says who waits:
 * 1. whoever would be a deployment's first replica goes first: without it nobody is answered at all;
 * 2. then those that a deployment lacks of its least count;
 * 3. then the deployment that has the smallest share of its target;
 * 4. then whoever has waited longest.
 */
export function placeOrder<R extends WaitingReplica>(
  waiting: readonly R[],
  needOf: (deployment: DeploymentId) => PlaceNeed,
): readonly R[] {
  const byAge = [...waiting].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  const needs = new Map<DeploymentId, PlaceNeed>();
  const ranked = byAge.map((replica) => {
    const need = needs.get(replica.deployment) ?? needOf(replica.deployment);
    const { placed: has, target, least } = need;
    // Each counts as if those of its deployment that are older had their nodes.
    needs.set(replica.deployment, { ...need, placed: has + 1 });
    const rank = has === 0 ? 0 : has < least ? 1 : 2;
    return { replica, rank, share: has / Math.max(1, target) };
  });
  // Sorting is stable: equals stay in order of age.
  ranked.sort((a, b) => a.rank - b.rank || a.share - b.share);
  return ranked.map(({ replica }) => replica);
}
