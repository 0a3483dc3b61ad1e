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

/** One thing that may keep a replica from a node: whether it does not, and in words what it does where it does. */
type Rule = {
  readonly holds: (demand: FilterDemand, node: FilterNode) => boolean;
  readonly refusal: (demand: FilterDemand, node: FilterNode) => string;
};

const isLive: Rule = {
  holds: (_, { state }) => state === "live",
  refusal: (_, { state }) => `the node is ${state}`,
};

const hasLabels: Rule = {
  holds: ({ placement }, { labels }) => missingLabels(placement, labels).length === 0,
  refusal: ({ placement }, { labels }) => {
    const missing = missingLabels(placement, labels);
    return `label ${missing.map(([name, value]) => `${name}=${value}`).join(", ")} is missing`;
  },
};

const isBelowLimit: Rule = {
  holds: ({ placement: { maxReplicasPerNode } }, { deploymentReplicas }) =>
    maxReplicasPerNode === 0 || deploymentReplicas < maxReplicasPerNode,
  refusal: ({ placement }) => `maxReplicasPerNode ${placement.maxReplicasPerNode} is reached`,
};

const hasAmounts: Rule = {
  holds: ({ resources }, { capacity }) => {
    for (const [name, amount] of amountsOf(resources)) if ((capacity.free.get(name) ?? 0) < amount) return false;
    return true;
  },
  refusal: ({ resources }, { capacity }) =>
    [...amountsOf(resources)]
      .filter(([name, amount]) => (capacity.free.get(name) ?? 0) < amount)
      .map(([name, amount]) => {
        const free = Math.max(0, capacity.free.get(name) ?? 0);
        const total = capacity.total.get(name) ?? 0;
        return `needs ${shown(name, amount)} ${name}, ${shown(name, free)} of ${shown(name, total)} free`;
      })
      .join("; "),
};

const hasGpus: Rule = {
  holds: ({ resources }, { capacity }) => pickGpus(capacity.gpus, resources.gpus) !== undefined,
  refusal: ({ resources }, { capacity }) => {
    if (capacity.gpus.length === 0) return `needs ${resources.gpus} gpus, the node has none`;
    const free = capacity.gpus.filter(({ freeUnits }) => freeUnits >= Math.min(UNITS, toUnits(resources.gpus))).length;
    const what =
      resources.gpus < 1
        ? `${capacity.gpus.length} gpus, none with so much free`
        : `${free} of ${capacity.gpus.length} free`;
    return `needs ${resources.gpus} gpus, ${what}`;
  },
};

const RULES: readonly Rule[] = [isLive, hasLabels, isBelowLimit, hasAmounts, hasGpus];

/** Whether a replica can go to a node. */
export function fits(demand: FilterDemand, node: FilterNode): boolean {
  return RULES.every(({ holds }) => holds(demand, node));
}

/** Everything that keeps a replica from a node, in words that name what is missing; undefined: it can go there. */
export function placeFilter(demand: FilterDemand, node: FilterNode): string | undefined {
  const broken = RULES.filter(({ holds }) => !holds(demand, node));
  return broken.length === 0 ? undefined : broken.map(({ refusal }) => refusal(demand, node)).join("; ");
}

function missingLabels(
  { labels: wanted }: PlacementSpec,
  labels: FilterNode["labels"],
): readonly (readonly [string, string])[] {
  return Object.entries(wanted).filter(([name, value]) => labels[name] !== value);
}

function shown(name: string, amount: number): string {
  return String(name === "memoryBytes" ? amount : amount / UNITS);
}
