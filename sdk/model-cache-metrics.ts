import type { Counter, Metrics } from "../core/metric.ts";

/** What is counted of a cache of models. */
export type ModelCacheMetrics = {
  readonly used: (found: "loaded" | "loading" | "absent") => void;
  readonly loaded: (outcome: "ok" | "failed" | "tooLate", afterMs: number) => void;
  readonly evicted: (reason: "room" | "bytes") => void;
};

/** The series of one deployment. */
export function modelCacheMetrics(metrics: Metrics, deployment: string): ModelCacheMetrics {
  const uses = (found: string): Counter => metrics.counter("thornback_model_uses_total", { deployment, found });
  // A use of a loaded model is what is frequent.
  const counters = { loaded: uses("loaded"), loading: uses("loading"), absent: uses("absent") };
  const loadSeconds = metrics.histogram("thornback_model_load_seconds", { deployment });
  return {
    used: (found) => counters[found].add(1),
    loaded: (outcome, afterMs) => {
      metrics.counter("thornback_model_loads_total", { deployment, outcome }).add(1);
      if (outcome === "ok") loadSeconds.observe(afterMs / 1_000);
    },
    evicted: (reason) => metrics.counter("thornback_model_evictions_total", { deployment, reason }).add(1),
  };
}
