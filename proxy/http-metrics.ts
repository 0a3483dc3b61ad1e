import type { Counter, Gauge, Histogram, Metrics } from "../core/metric.ts";

/** The status of a connection that became a WebSocket. */
const SWITCHING_PROTOCOLS = 101;

/** What is counted of one application's requests. Held by its routes, so that a request looks no label up. */
export class HttpSeries {
  readonly #metrics: Metrics;
  readonly #application: string;
  readonly #seconds: Histogram;
  readonly #sockets: Gauge;
  /** By status; a counter is made when its status first occurs. */
  readonly #byStatus: (Counter | undefined)[] = [];
  #socketCount = 0;

  constructor(metrics: Metrics, application: string) {
    this.#metrics = metrics;
    this.#application = application;
    this.#seconds = metrics.histogram("thornback_http_request_seconds", { application });
    this.#sockets = metrics.gauge("thornback_http_websockets", { application });
  }

  /** A request ended. How long a WebSocket stayed open says nothing of how fast requests are. */
  count(status: number, seconds: number): void {
    let counter = this.#byStatus[status];
    if (counter === undefined) {
      const labels = { application: this.#application, status: String(status) };
      counter = this.#metrics.counter("thornback_http_requests_total", labels);
      this.#byStatus[status] = counter;
    }
    counter.add(1);
    if (status !== SWITCHING_PROTOCOLS) this.#seconds.observe(seconds);
  }

  /** A WebSocket was opened. */
  socketOpened(): void {
    this.#sockets.set(++this.#socketCount);
  }

  /** A WebSocket ended, after so long. */
  socketEnded(seconds: number): void {
    this.#sockets.set(--this.#socketCount);
    this.count(SWITCHING_PROTOCOLS, seconds);
  }
}

/** What a proxy counts of HTTP. */
export class HttpMetrics {
  readonly #metrics: Metrics;
  /** As many as there were applications since the proxy's start. */
  readonly #byApplication = new Map<string, HttpSeries>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** The series of an application; of the empty name, those of requests that belong to none. */
  seriesOf(application: string): HttpSeries {
    let series = this.#byApplication.get(application);
    if (series === undefined) {
      series = new HttpSeries(this.#metrics, application);
      this.#byApplication.set(application, series);
    }
    return series;
  }
}
