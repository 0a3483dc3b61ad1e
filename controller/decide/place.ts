import type { NodeId } from "../../core/ids.ts";
import { capacityOf, type NodeCapacity, pickGpus } from "./capacity.ts";
import { type ClusterState, type NodeRecord, type Pending, releaseWith, type ReplicaRecord } from "./cluster.ts";
import { type FilterDemand, placeFilter } from "./place-filter.ts";
import { placeScore } from "./place-score.ts";

/** Where a replica goes, or why nowhere. */
export type Placement =
  | { readonly kind: "bind"; readonly node: NodeId; readonly gpus: readonly string[]; readonly reason: "spread" }
  | { readonly kind: "pend"; readonly pending: Pending };

/**
 * Finds a node for one replica: filter, then score. Everything a replica holds counts, those of this very tick
 * included, because `state` is the one after every earlier decision.
 */
export function place(state: ClusterState, replica: ReplicaRecord): Placement {
  const found = releaseWith(state, replica.deployment, replica.version);
  if (found === undefined) {
    return { kind: "pend", pending: { reason: "no kept release describes this version; deploy again", nodes: [] } };
  }
  const nodes = [...state.nodes.values()].filter(({ state: nodeState }) => nodeState !== "lost");
  if (nodes.length === 0) return { kind: "pend", pending: { reason: "no node is connected", nodes: [] } };

  const judged = nodes.map((node) => judge(state, replica, found.spec.options, node));
  const [best] = judged.filter(({ refusal }) => refusal === undefined).sort(placeScore);
  if (best === undefined) {
    const refusals = judged.map(({ node, refusal }) => ({ node, reason: refusal ?? "" }));
    return { kind: "pend", pending: { reason: summary(refusals.map(({ reason }) => reason)), nodes: refusals } };
  }
  const gpus = pickGpus(best.capacity.gpus, found.spec.options.resources.gpus) ?? [];
  return { kind: "bind", node: best.node, gpus, reason: "spread" };
}

type Judged = {
  readonly node: NodeId;
  readonly capacity: NodeCapacity;
  readonly versionReplicas: number;
  readonly deploymentReplicas: number;
  readonly refusal: string | undefined;
};

function judge(state: ClusterState, replica: ReplicaRecord, demand: FilterDemand, node: NodeRecord): Judged {
  const there = [...state.replicas.values()].filter(
    (other) => other.node === node.id && other.deployment === replica.deployment,
  );
  const running = there.filter(({ desired }) => desired === "run");
  const capacity = capacityOf(state, node.id) ?? { node: node.id, total: new Map(), free: new Map(), gpus: [] };
  const { labels, state: nodeState } = node;
  const refusal = placeFilter(demand, { state: nodeState, labels, capacity, deploymentReplicas: there.length });
  return {
    node: node.id,
    capacity,
    versionReplicas: running.filter(({ version }) => version === replica.version).length,
    deploymentReplicas: running.length,
    refusal,
  };
}

/** One line for all nodes: each different reason once, with how many nodes it holds for. */
function summary(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, count]) => (count === 1 ? reason : `${reason} (on ${count} nodes)`));
  return `no node fits: ${parts.join("; ")}`;
}
