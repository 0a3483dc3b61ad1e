import type { DeploymentId } from "../core/ids.ts";
import type { Gauge, Metrics } from "../core/metric.ts";
import { createMetrics, type MetricRegistry } from "../core/metric-registry.ts";
import type { EventSink } from "./event.ts";

/** The metrics of a simulated router: as in production, and every change of a queue's length becomes an event. */
export function createRouterMetrics(router: string, sink: EventSink): MetricRegistry {
  const registry = createMetrics();
  const gauge: Metrics["gauge"] = (name, labels) => {
    const inner = registry.gauge(name, labels);
    if (name !== "thornback_router_queued_requests") return inner;
    const deployment = (labels["deployment"] ?? "") as DeploymentId;
    let last = 0;
    const observed: Gauge = {
      set(value) {
        inner.set(value);
        if (value !== last) sink({ kind: "queued", router, deployment, count: value });
        last = value;
      },
    };
    return observed;
  };
  return {
    gauge,
    counter: (name, labels) => registry.counter(name, labels),
    histogram: (name, labels) => registry.histogram(name, labels),
    samples: () => registry.samples(),
  };
}
