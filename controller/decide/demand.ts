import type { DeploymentId } from "../../core/ids.ts";
import type { ResourceSpec } from "../../core/spec.ts";
import { type ClusterState, releaseWith } from "./cluster.ts";

/** Amounts by resource name: `cpus`, `gpus`, `memoryBytes` and a node's custom ones; nothing of one is left out. */
export type DemandAmounts = Readonly<Record<string, number>>;

/** Replicas of one deployment that have no node. */
export type PendingDemand = {
  readonly deployment: DeploymentId;
  readonly count: number;
  /** Of one replica. */
  readonly resources: DemandAmounts;
  readonly beganAt: number;
  /** Why the oldest of them has no node. */
  readonly reason: string;
};

/** What is missing, so that something else can add machines: replicas that fit on no node, the longest waiting first. */
export function demand(state: ClusterState): readonly PendingDemand[] {
  const found = new Map<string, PendingDemand>();
  for (const { deployment, version, desired, node, pending, createdAt } of state.replicas.values()) {
    if (desired !== "run" || node !== undefined || pending === undefined) continue;
    // Two versions of one deployment may need different amounts.
    const key = `${deployment} ${version}`;
    const known = found.get(key);
    const options = releaseWith(state, deployment, version)?.spec.options;
    const resources = known?.resources ?? (options === undefined ? {} : amounts(options.resources));
    const isOldest = known === undefined || createdAt < known.beganAt;
    found.set(key, {
      deployment,
      count: (known?.count ?? 0) + 1,
      resources,
      beganAt: isOldest ? createdAt : known.beganAt,
      reason: isOldest ? pending.reason : known.reason,
    });
  }
  return [...found.values()].sort((a, b) => a.beganAt - b.beganAt || (a.deployment < b.deployment ? -1 : 1));
}

/** What all of them together need. */
export function sumOf(pending: readonly PendingDemand[]): DemandAmounts {
  const sum: Record<string, number> = {};
  for (const { count, resources } of pending) {
    // Tenths of cores add up to whole ones, not to 0.30000000000000004.
    for (const [name, amount] of Object.entries(resources)) {
      sum[name] = Math.round(((sum[name] ?? 0) + count * amount) * 10_000) / 10_000;
    }
  }
  return sum;
}

function amounts({ cpus, gpus, memoryBytes, custom }: ResourceSpec): DemandAmounts {
  return Object.fromEntries(Object.entries({ cpus, gpus, memoryBytes, ...custom }).filter(([, amount]) => amount > 0));
}
