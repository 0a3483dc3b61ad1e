import type { DeploymentId, NodeId, ReplicaId, Version } from "../../core/ids.ts";
import { capacityOf, type NodeCapacity, pickGpus } from "./capacity.ts";
import { type ClusterState, indexOf, type Pending, releaseWith, type ReplicaRecord } from "./cluster.ts";
import { type FilterDemand, type FilterNode, fits, placeFilter } from "./place-filter.ts";
import { allocatedShare, placeScore, type ScoreNode } from "./place-score.ts";

/** Where a replica goes, or why nowhere. */
export type Placement =
  | { readonly kind: "bind"; readonly node: NodeId; readonly gpus: readonly string[]; readonly reason: "spread" }
  | { readonly kind: "pend"; readonly pending: Pending };

/** A node as placement sees it. */
type Site = Omit<FilterNode, "deploymentReplicas"> & { readonly node: NodeId; readonly allocatedShare: number };

/** Replicas of one deployment on one node. */
type Count = {
  /** Leaving ones included. */
  there: number;
  running: number;
  /** Of those that run. */
  readonly versions: Map<Version, number>;
};

const NONE: Readonly<Count> = { there: 0, running: 0, versions: new Map() };

/** Finds a node for one replica. For several in a row see {@link Placer}. */
export function place(state: ClusterState, replica: ReplicaRecord): Placement {
  return new Placer(state).place(replica);
}

/** Whether a replica would fit on a node if one of the replicas there were not. */
export function fitsOn(
  state: ClusterState,
  replica: ReplicaRecord,
  { node, without }: { readonly node: NodeId; readonly without: ReplicaId },
): boolean {
  const found = releaseWith(state, replica.deployment, replica.version);
  const site = siteOf(state, node, without);
  if (found === undefined || site === undefined) return false;
  const others = [...indexOf(state).ofNode(node).values()].filter(({ id }) => id !== without);
  const there = others.filter(({ deployment }) => deployment === replica.deployment);
  return fits(found.spec.options, { ...site, deploymentReplicas: there.length });
}

/**
 * Finds nodes for many replicas, one after the other: filter, then score. Everything a replica holds counts, those placed
 * just now included, as long as `bound` is told of each.
 *
 * What is known of a node is worked out once and again when something is bound there. Nodes are kept in the order of
 * how much of them is allocated, so that the first that fits and has nothing of the deployment is the best of all and the
 * search ends: placing ten thousand replicas on a thousand nodes looks at some ten nodes each, not at a thousand. Where
 * nothing fits, the reasons are put into words once for all that ask the same.
 */
export class Placer {
  #state: ClusterState;
  /** The least allocated first, then by id. */
  readonly #sites: Site[];
  readonly #counts = new Map<DeploymentId, Map<NodeId, Count>>();
  /** By what is asked for; good until something is bound. */
  readonly #refusals = new Map<string, Placement>();

  constructor(state: ClusterState) {
    this.#state = state;
    const ids = [...state.nodes.values()].filter((node) => node.state !== "lost").map(({ id }) => id);
    this.#sites = ids.flatMap((id) => siteOf(state, id) ?? []).sort(byAllocation);
  }

  /** Where a replica goes; it is not there before `bound`. */
  place(replica: ReplicaRecord): Placement {
    const { deployment, version } = replica;
    const found = releaseWith(this.#state, deployment, version);
    if (found === undefined) return pend("no kept release describes this version; deploy again");
    if (this.#sites.length === 0) return pend("no node is connected");
    const demand = found.spec.options;
    const { resources, placement } = demand;
    const asked = JSON.stringify([resources, placement, placement.maxReplicasPerNode > 0 ? deployment : ""]);
    const refusal = this.#refusals.get(asked);
    if (refusal !== undefined) return refusal;
    const best = this.#best(demand, deployment, version);
    if (best !== undefined) {
      const gpus = pickGpus(best.capacity.gpus, resources.gpus) ?? [];
      return { kind: "bind", node: best.node, gpus, reason: "spread" };
    }
    const refused: Placement = { kind: "pend", pending: this.#refuse(demand, deployment) };
    this.#refusals.set(asked, refused);
    return refused;
  }

  /** A replica was bound to a node; `state` is the one after that. */
  bound(state: ClusterState, replica: ReplicaRecord, node: NodeId): void {
    this.#state = state;
    this.#refusals.clear();
    const { deployment, version } = replica;
    countIn(this.#countsOf(deployment), { node, version, desired: "run" });
    const at = this.#sites.findIndex((site) => site.node === node);
    const site = siteOf(state, node);
    if (at === -1 || site === undefined) return;
    this.#sites.splice(at, 1);
    this.#sites.splice(rankOf(this.#sites, site), 0, site);
  }

  #best(demand: FilterDemand, deployment: DeploymentId, version: Version): Site | undefined {
    const counts = this.#countsOf(deployment);
    let best: Site | undefined;
    let bestScore: ScoreNode | undefined;
    for (const site of this.#sites) {
      const count = counts.get(site.node) ?? NONE;
      const score: ScoreNode = {
        node: site.node,
        versionReplicas: count.versions.get(version) ?? 0,
        deploymentReplicas: count.running,
        allocatedShare: site.allocatedShare,
      };
      if (bestScore !== undefined && placeScore(score, bestScore) > 0) continue;
      if (!fits(demand, { ...site, deploymentReplicas: count.there })) continue;
      best = site;
      bestScore = score;
      if (count.running === 0) break;
    }
    return best;
  }

  #refuse(demand: FilterDemand, deployment: DeploymentId): Pending {
    const counts = this.#countsOf(deployment);
    const byNode = new Map(this.#sites.map((site) => [site.node, site]));
    const nodes = [...this.#state.nodes.keys()].flatMap((node) => {
      const site = byNode.get(node);
      if (site === undefined) return [];
      const deploymentReplicas = (counts.get(node) ?? NONE).there;
      return [{ node, reason: placeFilter(demand, { ...site, deploymentReplicas }) ?? "" }];
    });
    return { reason: summary(nodes.map(({ reason }) => reason)), nodes };
  }

  #countsOf(deployment: DeploymentId): Map<NodeId, Count> {
    const known = this.#counts.get(deployment);
    if (known !== undefined) return known;
    const counts = new Map<NodeId, Count>();
    for (const { node, version, desired } of indexOf(this.#state).ofDeployment(deployment).values()) {
      if (node !== undefined) countIn(counts, { node, version, desired });
    }
    this.#counts.set(deployment, counts);
    return counts;
  }
}

function pend(reason: string): Placement {
  return { kind: "pend", pending: { reason, nodes: [] } };
}

function siteOf(state: ClusterState, node: NodeId, without?: ReplicaId): Site | undefined {
  const record = state.nodes.get(node);
  const capacity: NodeCapacity | undefined = capacityOf(state, node, without);
  if (record === undefined || capacity === undefined) return undefined;
  const { state: nodeState, labels } = record;
  return { node, state: nodeState, labels, capacity, allocatedShare: allocatedShare(capacity) };
}

function byAllocation(a: Site, b: Site): number {
  return a.allocatedShare - b.allocatedShare || (a.node < b.node ? -1 : 1);
}

/** Where a site belongs among the others. */
function rankOf(sites: readonly Site[], site: Site): number {
  let low = 0;
  let high = sites.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = sites[middle];
    if (other !== undefined && byAllocation(other, site) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function countIn(
  counts: Map<NodeId, Count>,
  { node, version, desired }: { readonly node: NodeId } & Pick<ReplicaRecord, "version" | "desired">,
): void {
  const count = counts.get(node) ?? { there: 0, running: 0, versions: new Map<Version, number>() };
  counts.set(node, count);
  count.there++;
  if (desired !== "run") return;
  count.running++;
  count.versions.set(version, (count.versions.get(version) ?? 0) + 1);
}

/** One line for all nodes: each different reason once, with how many nodes it holds for. */
function summary(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, count]) => (count === 1 ? reason : `${reason} (on ${count} nodes)`));
  return `no node fits: ${parts.join("; ")}`;
}
