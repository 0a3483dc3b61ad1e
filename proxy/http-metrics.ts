import type { Counter, Histogram, Metrics } from "../core/metric.ts";

type ApplicationSeries = { readonly seconds: Histogram; readonly byStatus: Map<number, Counter> };

/** What a proxy counts of HTTP requests; series are looked up by number and name, no label is joined per request. */
export class HttpMetrics {
  readonly #metrics: Metrics;
  readonly #byApplication = new Map<string, ApplicationSeries>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** A request ended; `application` is empty where it belonged to none. */
  count(application: string, status: number, seconds: number): void {
    let series = this.#byApplication.get(application);
    if (series === undefined) {
      series = {
        seconds: this.#metrics.histogram("thornback_http_request_seconds", { application }),
        byStatus: new Map(),
      };
      this.#byApplication.set(application, series);
    }
    let counter = series.byStatus.get(status);
    if (counter === undefined) {
      counter = this.#metrics.counter("thornback_http_requests_total", { application, status: String(status) });
      series.byStatus.set(status, counter);
    }
    counter.add(1);
    series.seconds.observe(seconds);
  }
}
