import type { LatencySummary } from "./latency-histogram.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

/**
 * How a request ended: its status as text (`200`), or why there is no whole answer. `timeout`; `unsent`: every
 * connection that may be was busy when it was due; `cancelled`: by the load; `truncated`: an answer cut off;
 * `malformed`: no HTTP; `failed_stream`: a stream that ended in an `event: error`; else a socket error's code.
 */
export type Outcome = string;

/** One request's end. */
export type Ending = {
  /** 0 for the first request of the load. */
  readonly sequence: number;
  readonly outcome: Outcome;
  /** On the load's clock. */
  readonly dueAt: number;
  readonly sentAt: number;
  readonly endedAt: number;
  /** Of the first byte of its answer's body; undefined without. */
  readonly firstByteAt: number | undefined;
  /** Whether an answer told when to come again. */
  readonly hasRetryAfter: boolean;
};

/** What became of a load; the warm-up is left out of everything. Durations of nothing are NaN. */
export type LoadReport = {
  readonly sent: number;
  /** Answered with 2xx, wholly. */
  readonly succeeded: number;
  /** Outcome → count, of everything that is not a 2xx. */
  readonly failures: Readonly<Record<Outcome, number>>;
  /** Outcome → count, of everything. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** Requests that never got a whole answer, of any status. */
  readonly unansweredCount: number;
  /** Answers with a `retry-after` header. */
  readonly retryAfterCount: number;
  /** From the end of the warm-up to the end of the last request. */
  readonly elapsedMs: number;
  readonly receivedBytes: number;
  /** Of the 2xx, from the moment each was due until its last byte. */
  readonly latency: LatencySummary;
  /** Of the 2xx, from the moment each was sent: what remains when the load's own lag is taken away. */
  readonly fromSending: LatencySummary;
  /** Of the 2xx, from the moment each was due until the first byte of the body. */
  readonly firstByte: LatencySummary;
  /** From the moment each was due, for every outcome. */
  readonly latencyByOutcome: Readonly<Record<Outcome, LatencySummary>>;
  /** How late the load itself sent: large when this machine, and not the server, is at its limit. */
  readonly lag: LatencySummary;
  readonly events: EventSummary;
};

/** Of the events of `text/event-stream` answers. */
export type EventSummary = {
  readonly count: number;
  /** Between two events of one stream. */
  readonly gap: LatencySummary;
  /** After the moment each was due, where the load knows that. */
  readonly lateness: LatencySummary;
};

/** More outcomes than there are statuses in use and socket errors together; beyond it they share one name. */
const MOST_OUTCOMES = 64;

/** Gathers what a load sees, in memory that does not grow with it. */
export class LoadRecorder {
  readonly #latencies = new Map<Outcome, LatencyHistogram>();
  readonly #fromSending = new LatencyHistogram();
  readonly #firstByte = new LatencyHistogram();
  readonly #lag = new LatencyHistogram();
  readonly #gap = new LatencyHistogram();
  readonly #lateness = new LatencyHistogram();
  #retryAfterCount = 0;
  #receivedBytes = 0;
  #eventCount = 0;
  #lastEndAt = Number.NEGATIVE_INFINITY;

  /** A request has ended. */
  onEnding(ending: Ending): void {
    const { dueAt, sentAt, endedAt, firstByteAt } = ending;
    this.#histogramOf(ending.outcome).record(endedAt - dueAt);
    this.#lag.record(sentAt - dueAt);
    this.#lastEndAt = Math.max(this.#lastEndAt, endedAt);
    if (ending.hasRetryAfter) this.#retryAfterCount += 1;
    if (!isSuccess(ending.outcome)) return;
    this.#fromSending.record(endedAt - sentAt);
    this.#firstByte.record((firstByteAt ?? endedAt) - dueAt);
  }

  /** Part of an answer's body came. */
  onBytes(count: number): void {
    this.#receivedBytes += count;
  }

  /** An event came; `gapMs` since the one before it in its stream, `latenessMs` where it is known when it was due. */
  onEvent(gapMs: number | undefined, latenessMs: number | undefined): void {
    this.#eventCount += 1;
    if (gapMs !== undefined) this.#gap.record(gapMs);
    if (latenessMs !== undefined) this.#lateness.record(latenessMs);
  }

  /** The figures so far, of a load whose warm-up ended at `measuredFrom`. */
  report(measuredFrom: number): LoadReport {
    const outcomes: Record<Outcome, number> = {};
    const latencyByOutcome: Record<Outcome, LatencySummary> = {};
    const succeeded = new LatencyHistogram();
    let sent = 0;
    for (const [outcome, histogram] of [...this.#latencies].sort(([a], [b]) => (a < b ? -1 : 1))) {
      outcomes[outcome] = histogram.count;
      latencyByOutcome[outcome] = histogram.summary();
      sent += histogram.count;
      if (isSuccess(outcome)) succeeded.merge(histogram);
    }
    const failures = Object.entries(outcomes).filter(([outcome]) => !isSuccess(outcome));
    const unanswered = failures.filter(([outcome]) => !isStatus(outcome));
    return {
      sent,
      succeeded: succeeded.count,
      failures: Object.fromEntries(failures),
      outcomes,
      unansweredCount: unanswered.reduce((sum, [, count]) => sum + count, 0),
      retryAfterCount: this.#retryAfterCount,
      elapsedMs: Math.max(0, this.#lastEndAt - measuredFrom),
      receivedBytes: this.#receivedBytes,
      latency: succeeded.summary(),
      fromSending: this.#fromSending.summary(),
      firstByte: this.#firstByte.summary(),
      latencyByOutcome,
      lag: this.#lag.summary(),
      events: { count: this.#eventCount, gap: this.#gap.summary(), lateness: this.#lateness.summary() },
    };
  }

  #histogramOf(outcome: Outcome): LatencyHistogram {
    const name = this.#latencies.size < MOST_OUTCOMES || this.#latencies.has(outcome) ? outcome : "other";
    let histogram = this.#latencies.get(name);
    if (histogram === undefined) this.#latencies.set(name, (histogram = new LatencyHistogram()));
    return histogram;
  }
}

function isSuccess(outcome: Outcome): boolean {
  return /^2\d\d$/.test(outcome);
}

function isStatus(outcome: Outcome): boolean {
  return /^\d{3}$/.test(outcome);
}
