/** Labels of one series; values come from the specification or are small enumerations, never from a request. */
export type Labels = Readonly<Record<string, string>>;

/** Only grows. */
export interface Counter {
  add(amount: number): void;
}

/** Goes up and down. */
export interface Gauge {
  set(value: number): void;
}

/** Counts observations in fixed buckets. */
export interface Histogram {
  observe(value: number): void;
}

/** Hands out series. Ask once and keep the object: the lookup costs a string join, `add` and `observe` a few nanoseconds. */
export interface Metrics {
  counter(name: CounterName, labels: Labels): Counter;
  gauge(name: GaugeName, labels: Labels): Gauge;
  histogram(name: HistogramName, labels: Labels): Histogram;
}

/** One metric as it is listed in `docs/metrics.md`. */
type Definition = {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds; the last bucket is open. */
  readonly buckets?: readonly number[];
};

/** Seconds, half a millisecond to a minute: model serving spans all of it. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const;

/** Every metric there is: name, unit (in the name), labels and meaning. */
export const METRICS = {
  thornback_http_requests_total: {
    kind: "counter",
    help: "HTTP requests ended, by application and by status (101: a WebSocket, when it ends; 499: the client went away).",
    labels: ["application", "status"],
  },
  thornback_http_request_seconds: {
    kind: "histogram",
    help: "From the last byte of a request's head to the last byte of its answer, at the proxy.",
    labels: ["application"],
    buckets: SECONDS,
  },
  thornback_http_websockets: {
    kind: "gauge",
    help: "WebSockets of clients that are open.",
    labels: ["application"],
  },
  thornback_router_queued_requests: {
    kind: "gauge",
    help: "Requests that wait in routers for a replica.",
    labels: ["deployment"],
  },
  thornback_router_queue_seconds: {
    kind: "histogram",
    help: "Time a request waited in a router for a replica.",
    labels: ["deployment"],
    buckets: SECONDS,
  },
  thornback_router_retries_total: {
    kind: "counter",
    help: "Requests handed to another replica, by the code of the error that sent them there.",
    labels: ["deployment", "code"],
  },
  thornback_router_refused_total: {
    kind: "counter",
    help: "Requests a router did not let wait: its queue was full, one of a higher priority took the last place, or it would have been too late.",
    labels: ["deployment", "reason"],
  },
  thornback_degraded_requests_total: {
    kind: "counter",
    help: "Requests handed to the fallback of their deployment, which could not take them: its queue was full (queueFull), they would have been too late (tooLate), nothing of it runs (starting, unavailable).",
    labels: ["deployment", "fallback", "reason"],
  },
  thornback_router_ejections_total: {
    kind: "counter",
    help: "Times a router left a replica out for a while: it failed, was silent or slow, or failed a probe.",
    labels: ["deployment", "reason"],
  },
  thornback_router_ejected_replicas: {
    kind: "gauge",
    help: "Replicas that routers leave out now; each router counts for itself.",
    labels: ["deployment"],
  },
  thornback_replica_requests_total: {
    kind: "counter",
    help: "Requests ended at replicas; outcome is ok or an error's code.",
    labels: ["deployment", "outcome"],
  },
  thornback_replica_ongoing_requests: {
    kind: "gauge",
    help: "Requests accepted by replicas and not yet finished, time in a batch included.",
    labels: ["deployment"],
  },
  thornback_replica_run_seconds: {
    kind: "histogram",
    help: "Time in user code and models, from accept to result.",
    labels: ["deployment"],
    buckets: SECONDS,
  },
  thornback_batch_items: {
    kind: "histogram",
    help: "Items in a batch when it was run.",
    labels: ["deployment", "method"],
    buckets: SIZES,
  },
  thornback_batch_wait_seconds: {
    kind: "histogram",
    help: "Time an item waited for its batch to be run.",
    labels: ["deployment", "method"],
    buckets: SECONDS,
  },
  thornback_batch_runs_total: {
    kind: "counter",
    help: "Batches run, by reason: full (no more may or should run together), handlerIdle, ahead (a model's thread gets the next one before the present one ends), or bisect, after one failed.",
    labels: ["deployment", "method", "reason"],
  },
  thornback_batch_waiting_items: {
    kind: "gauge",
    help: "Items waiting for a batch.",
    labels: ["deployment", "method"],
  },
  thornback_batch_length_total: {
    kind: "counter",
    help: "Lengths of the items of batches run, useful, and padding up to the longest of their batch; by bucketBy.",
    labels: ["deployment", "method", "part"],
  },
  thornback_batch_expected_run_seconds: {
    kind: "gauge",
    help: "What a batch of so many items is expected to take, as learned from those that ran.",
    labels: ["deployment", "method", "items"],
  },
  thornback_batch_run_seconds: {
    kind: "histogram",
    help: "Time a batch handler ran.",
    labels: ["deployment", "method"],
    buckets: SECONDS,
  },
  thornback_models_loaded: {
    kind: "gauge",
    help: "Models of `models()` that are loaded or loading.",
    labels: ["deployment"],
  },
  thornback_model_uses_total: {
    kind: "counter",
    help: "Uses of models of `models()`, by how the model was found: loaded, loading (or waiting for room), or absent.",
    labels: ["deployment", "found"],
  },
  thornback_model_loads_total: {
    kind: "counter",
    help: "Loads of models of `models()`; outcome is ok, failed or tooLate.",
    labels: ["deployment", "outcome"],
  },
  thornback_model_load_seconds: {
    kind: "histogram",
    help: "Time that loading a model of `models()` took, where it went well.",
    labels: ["deployment"],
    buckets: SECONDS,
  },
  thornback_model_evictions_total: {
    kind: "counter",
    help: "Models of `models()` closed to make room: for another one (room), or because all together were too large (bytes).",
    labels: ["deployment", "reason"],
  },
  thornback_replicas: {
    kind: "gauge",
    help: "Replicas on the node by state.",
    labels: ["deployment", "state"],
  },
  thornback_replica_event_loop_lag_seconds: {
    kind: "histogram",
    help: "How late replicas' event loops were for a timer: as long as synchronous user code keeps everything else waiting.",
    labels: ["deployment"],
    buckets: SECONDS,
  },
  thornback_replica_restarts_total: {
    kind: "counter",
    help: "Replica processes started again, by what ended the one before.",
    labels: ["deployment", "reason"],
  },
  thornback_replica_start_seconds: {
    kind: "histogram",
    help: "From the order to start a replica until it is ready; pool says whether a blank process was at hand.",
    labels: ["deployment", "pool"],
    buckets: SECONDS,
  },
  thornback_console_dropped_bytes_total: {
    kind: "counter",
    help: "Output of user code dropped because it was over the limit per second.",
    labels: ["deployment"],
  },
  thornback_replica_unhandled_rejections_total: {
    kind: "counter",
    help: "Promises of user code that were rejected and that nobody looked at; the log has each with its stack.",
    labels: ["deployment"],
  },
  thornback_pending_resources: {
    kind: "gauge",
    help: "What replicas need that fit on no node, all of them together: cores, GPUs, bytes of memory, custom amounts.",
    labels: ["resource"],
  },
  thornback_routing_table_version: {
    kind: "gauge",
    help: "Version of the routing table in use.",
    labels: ["component"],
  },
} as const satisfies Readonly<Record<string, Definition>>;

type NamesOf<K extends Definition["kind"]> = {
  [N in keyof typeof METRICS]: (typeof METRICS)[N]["kind"] extends K ? N : never;
}[keyof typeof METRICS];

/** Names of the counters in {@link METRICS}. */
export type CounterName = NamesOf<"counter">;
/** Names of the gauges in {@link METRICS}. */
export type GaugeName = NamesOf<"gauge">;
/** Names of the histograms in {@link METRICS}. */
export type HistogramName = NamesOf<"histogram">;

/** One series at one moment; plain JSON, so that a worker can gather its children's. */
export type Sample = {
  readonly name: keyof typeof METRICS;
  readonly labels: Labels;
  /** Counter and gauge: one number. Histogram: counts per bucket (the open one last), then the sum of all values. */
  readonly values: readonly number[];
};
