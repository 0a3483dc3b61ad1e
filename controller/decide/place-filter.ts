import type { NodeState } from "../../core/status.ts";
import type { PlacementSpec, ResourceSpec } from "../../core/spec.ts";
import { amountsOf, type NodeCapacity, pickGpus, toUnits, UNITS } from "./capacity.ts";

/** What the filter must know of a node. */
export type FilterNode = {
  readonly state: NodeState;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: NodeCapacity;
  /** Replicas of the deployment that are there, leaving ones included. */
  readonly deploymentReplicas: number;
};

/** What a replica asks of a node. */
export type FilterDemand = { readonly resources: ResourceSpec; readonly placement: PlacementSpec };

type Predicate = (demand: FilterDemand, node: FilterNode) => string | undefined;

const isLive: Predicate = (_, { state }) => (state === "live" ? undefined : `the node is ${state}`);

const hasLabels: Predicate = ({ placement }, { labels }) => {
  const missing = Object.entries(placement.labels).filter(([name, value]) => labels[name] !== value);
  return missing.length === 0
    ? undefined
    : `label ${missing.map(([name, value]) => `${name}=${value}`).join(", ")} is missing`;
};

const isBelowLimit: Predicate = ({ placement }, { deploymentReplicas }) => {
  const { maxReplicasPerNode } = placement;
  if (maxReplicasPerNode === 0 || deploymentReplicas < maxReplicasPerNode) return undefined;
  return `maxReplicasPerNode ${maxReplicasPerNode} is reached`;
};

const hasAmounts: Predicate = ({ resources }, { capacity }) => {
  const missing = [...amountsOf(resources)].filter(([name, amount]) => (capacity.free.get(name) ?? 0) < amount);
  if (missing.length === 0) return undefined;
  return missing
    .map(([name, amount]) => {
      const free = Math.max(0, capacity.free.get(name) ?? 0);
      const total = capacity.total.get(name) ?? 0;
      return `needs ${shown(name, amount)} ${name}, ${shown(name, free)} of ${shown(name, total)} free`;
    })
    .join("; ");
};

const hasGpus: Predicate = ({ resources }, { capacity }) => {
  if (pickGpus(capacity.gpus, resources.gpus) !== undefined) return undefined;
  if (capacity.gpus.length === 0) return `needs ${resources.gpus} gpus, the node has none`;
  const free = capacity.gpus.filter(({ freeUnits }) => freeUnits >= Math.min(UNITS, toUnits(resources.gpus))).length;
  const what =
    resources.gpus < 1
      ? `${capacity.gpus.length} gpus, none with so much free`
      : `${free} of ${capacity.gpus.length} free`;
  return `needs ${resources.gpus} gpus, ${what}`;
};

const PREDICATES: readonly Predicate[] = [isLive, hasLabels, isBelowLimit, hasAmounts, hasGpus];

/** Everything that keeps a replica from a node, in words that name what is missing; undefined: it can go there. */
export function placeFilter(demand: FilterDemand, node: FilterNode): string | undefined {
  const reasons = PREDICATES.map((predicate) => predicate(demand, node)).filter((reason) => reason !== undefined);
  return reasons.length === 0 ? undefined : reasons.join("; ");
}

function shown(name: string, amount: number): string {
  return String(name === "memoryBytes" ? amount : amount / UNITS);
}
