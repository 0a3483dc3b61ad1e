import { availableParallelism } from "node:os";

/** Which core does what. One process to a core is what makes windows comparable. */
export type CorePlan = {
  readonly coreCount: number;
  /** The load, and the control plane, which is idle. */
  readonly load: number;
  /** A second load beside the first. */
  readonly bulkLoad: number;
  /** One for each proxy; a bare server is on the first. */
  readonly proxies: readonly [number, number];
  /** Replicas that a proxy calls. */
  readonly replicas: readonly [number, number];
  /** The deployment behind a gateway. */
  readonly inner: number;
  /** What cannot be concluded from figures taken on so few cores; empty when nothing. */
  readonly caution: string;
};

/** Plans for the cores there are. */
export function planCores(coreCount = availableParallelism()): CorePlan {
  if (coreCount >= 6) {
    return { coreCount, load: 0, bulkLoad: 5, proxies: [1, 3], replicas: [2, 4], inner: 3, caution: "" };
  }
  if (coreCount >= 4) {
    const caution = "two proxies share the replicas' one core: their throughput is limited by it";
    return { coreCount, load: 0, bulkLoad: 3, proxies: [1, 3], replicas: [2, 2], inner: 3, caution };
  }
  const caution =
    "ONLY TWO CORES: the load and the replica share core 0, the proxy (or the bare server) has core 1; for streams at a pace the load has core 0 and all else core 1. Throughput and latency of ours are limited by that; CPU µs per request can be compared.";
  return { coreCount, load: 0, bulkLoad: 0, proxies: [1, 1], replicas: [0, 0], inner: 0, caution };
}

/**
 * Where everything is while a load measures when something comes, not how much: with two cores the load gets one for itself,
 * as it has it with a bare server, and replicas share the proxy's.
 */
export function planForTiming(plan: CorePlan): CorePlan {
  if (plan.coreCount >= 4) return plan;
  return { ...plan, replicas: [plan.proxies[0], plan.proxies[0]], inner: plan.proxies[0] };
}
