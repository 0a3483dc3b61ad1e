import type { ErrorCode } from "../core/error.ts";
import type { DeploymentId } from "../core/ids.ts";
import type { Gauge, Histogram, Metrics } from "../core/metric.ts";

/** The series of one router. What is seldom is looked up when it happens. */
export class RouterMetrics {
  readonly queuedRequests: Gauge;
  readonly queueSeconds: Histogram;
  readonly #metrics: Metrics;
  readonly #deployment: DeploymentId;

  constructor(metrics: Metrics, deployment: DeploymentId) {
    this.#metrics = metrics;
    this.#deployment = deployment;
    this.queuedRequests = metrics.gauge("thornback_router_queued_requests", { deployment });
    this.queueSeconds = metrics.histogram("thornback_router_queue_seconds", { deployment });
  }

  retried(code: ErrorCode): void {
    this.#metrics.counter("thornback_router_retries_total", { deployment: this.#deployment, code }).add(1);
  }

  refused(reason: "queueFull" | "pushedOut" | "tooLate"): void {
    this.#metrics.counter("thornback_router_refused_total", { deployment: this.#deployment, reason }).add(1);
  }
}
