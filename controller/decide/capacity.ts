import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { ResourceSpec } from "../../core/spec.ts";
import { type ClusterState, indexOf, releaseWith } from "./cluster.ts";

/**
 * Amounts are integers in 1/10,000 units, so that 0.1 + 0.2 of a core is 0.3 of it; memory is in bytes. What a replica
 * holds counts until its process is gone, drained or not.
 */
export const UNITS = 10_000;

/** Amounts by resource name: `cpus`, `memoryBytes` and a node's custom ones. GPUs are counted by device. */
export type Amounts = ReadonlyMap<string, number>;

/** One GPU and how much of it is free, in units. */
export type GpuCapacity = { readonly id: string; readonly freeUnits: number };

/** What a node has, and what is left of it. */
export type NodeCapacity = {
  readonly node: NodeId;
  readonly total: Amounts;
  readonly free: Amounts;
  readonly gpus: readonly GpuCapacity[];
};

/** A share as an integer of 1/10,000 units. */
export function toUnits(amount: number): number {
  return Math.round(amount * UNITS);
}

/** Worked out once for each specification, and for each node. */
const knownAmounts = new WeakMap<Pick<ResourceSpec, "cpus" | "memoryBytes" | "custom">, Amounts>();

/** What a replica needs, GPUs left out; nothing of a resource is left out too. */
export function amountsOf(resources: Pick<ResourceSpec, "cpus" | "memoryBytes" | "custom">): Amounts {
  const known = knownAmounts.get(resources);
  if (known !== undefined) return known;
  const amounts = new Map<string, number>();
  const put = (name: string, amount: number): void => {
    if (amount > 0) amounts.set(name, amount);
  };
  put("cpus", toUnits(resources.cpus));
  put("memoryBytes", Math.round(resources.memoryBytes));
  for (const [name, amount] of Object.entries(resources.custom)) put(name, toUnits(amount));
  knownAmounts.set(resources, amounts);
  return amounts;
}

/**
 * What is left of a node, or would be without one of its replicas. Negative where more is held than it has, for instance
 * after it came back smaller.
 */
export function capacityOf(state: ClusterState, node: NodeId, without?: ReplicaId): NodeCapacity | undefined {
  const record = state.nodes.get(node);
  if (record === undefined) return undefined;
  const total = amountsOf(record.resources);
  const free = new Map(total);
  const freeGpuUnits = new Map(record.resources.gpus.map((id) => [id, UNITS]));
  for (const replica of indexOf(state).ofNode(node).values()) {
    if (replica.id === without) continue;
    const resources = releaseWith(state, replica.deployment, replica.version)?.spec.options.resources;
    // A replica that no release describes is taken to hold what one of its deployment does, and its GPUs whole.
    const likely = resources ?? releaseWith(state, replica.deployment)?.spec.options.resources;
    if (likely !== undefined) {
      for (const [name, amount] of amountsOf(likely)) free.set(name, (free.get(name) ?? 0) - amount);
    }
    const held = resources === undefined || resources.gpus >= 1 ? UNITS : toUnits(resources.gpus);
    for (const id of replica.gpus) freeGpuUnits.set(id, (freeGpuUnits.get(id) ?? 0) - held);
  }
  const gpus = [...freeGpuUnits].map(([id, freeUnits]) => ({ id, freeUnits }));
  return { node, total, free, gpus };
}

/**
 * Which GPUs a replica gets: a share goes to the fullest device that still has room for it, whole ones are free ones.
 * undefined: there are not enough.
 */
export function pickGpus(gpus: readonly GpuCapacity[], wanted: number): readonly string[] | undefined {
  if (wanted <= 0) return [];
  const units = toUnits(wanted);
  if (units < UNITS) {
    const fitting = gpus.filter(({ freeUnits }) => freeUnits >= units);
    const fullest = fitting.sort((a, b) => a.freeUnits - b.freeUnits)[0];
    return fullest === undefined ? undefined : [fullest.id];
  }
  const free = gpus.filter(({ freeUnits }) => freeUnits === UNITS).map(({ id }) => id);
  const count = Math.ceil(wanted);
  return free.length < count ? undefined : free.slice(0, count);
}
