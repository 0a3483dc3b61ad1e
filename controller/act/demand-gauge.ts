import { MOST_DEMAND_SERIES } from "../../core/limits.ts";
import type { Gauge, Metrics } from "../../core/metric.ts";
import type { ClusterState } from "../decide/cluster.ts";
import { demand, sumOf } from "../decide/demand.ts";

/** Keeps `thornback_pending_resources` as the state has it. */
export class DemandGauge {
  readonly #metrics: Metrics;
  /** Of the first resources that ever were short: one that is not any more is told as 0. */
  readonly #gauges = new Map<string, Gauge>();
  #seen: ClusterState["replicas"] | undefined;

  constructor(deps: { readonly metrics: Metrics }) {
    this.#metrics = deps.metrics;
  }

  /** Takes a new state in; costs nothing while no replica changed. */
  observe(state: ClusterState): void {
    if (this.#seen === state.replicas) return;
    this.#seen = state.replicas;
    const sum = sumOf(demand(state));
    for (const resource of Object.keys(sum)) {
      if (this.#gauges.has(resource) || this.#gauges.size >= MOST_DEMAND_SERIES) continue;
      this.#gauges.set(resource, this.#metrics.gauge("thornback_pending_resources", { resource }));
    }
    for (const [resource, gauge] of this.#gauges) gauge.set(sum[resource] ?? 0);
  }
}
