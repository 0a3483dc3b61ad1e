import { ERROR_MAP } from "../core/error-map.ts";
import type { ServeError } from "../core/error.ts";
import type { Version } from "../core/ids.ts";
import { emptyLatencies, latencyBucket } from "../core/latency-histogram.ts";
import type { VersionLoad } from "../core/load.ts";

type Counts = { sent: number; answered: number; failed: number; firstError: string; readonly latencies: number[] };

/** A request at a replica of a version. */
type Open = {
  readonly version: Version;
  readonly arrivedAt: number;
  readonly sentAt: number;
  /** It counts as answered already, because it has taken so long. */
  isOverdue: boolean;
};

/** One that has taken longer than this, and than anything before by far, counts as slow before it has ended. */
const LEAST_OVERDUE_MS = 1_000;
const OVERDUE_TIMES = 4;
/** Of the first error that is told. */
const MOST_ERROR_CHARACTERS = 300;
/** A deadline that leaves less time than this many times the slowest answer is the caller's doing. */
const FAIR_TIMES = 2;

/**
 * How requests ended at each version of a deployment, while they are divided among versions: what a rollout is judged by.
 * What the caller did wrong, cancelled or gave no time for is not the version's failure, and what never reached a replica
 * says nothing of it. What does not end at all must not go unseen either: it counts as slow from some time on.
 */
export class VersionOutcomes {
  #counts = new Map<Version, Counts>();
  readonly #open = new Map<object, Open>();
  /** Longest that any version's answer took. */
  #slowestMs = 0;

  /** A request that came at `arrivedAt` goes to a replica of a version. */
  sent(request: object, version: Version, times: { readonly arrivedAt: number; readonly now: number }): void {
    this.#open.set(request, { version, arrivedAt: times.arrivedAt, sentAt: times.now, isOverdue: false });
    this.#countsOf(version).sent += 1;
  }

  /** It was answered. */
  answered(request: object, status: number, now: number): void {
    const open = this.#take(request);
    if (open === undefined) return;
    this.#slowestMs = Math.max(this.#slowestMs, now - open.sentAt);
    this.#count(open, status >= 500 ? `it answered ${status}` : undefined, now);
  }

  /** It ended with an error that the replica gave, or that its loss or its deadline is. */
  failed(request: object, error: ServeError, now: number): void {
    const open = this.#take(request);
    if (open === undefined || error.code === "cancelled") return;
    const ranMs = now - open.sentAt;
    if (error.code === "deadline_exceeded" && ranMs < FAIR_TIMES * this.#slowestMs && !open.isOverdue) return;
    this.#count(open, statusOf(error) >= 500 ? error.message : undefined, now);
  }

  /** It is of no more interest: cancelled, or it goes to another replica. */
  left(request: object): void {
    this.#open.delete(request);
  }

  /** An answer that was counted already broke off. */
  brokeOff(version: Version, error: ServeError): void {
    if (error.code !== "cancelled" && statusOf(error) >= 500) this.#countsOf(version).failed += 1;
  }

  /** What was counted since it was taken last. */
  take(now: number): readonly VersionLoad[] {
    this.#markOverdue(now);
    const counts = this.#counts;
    if (counts.size === 0) return NOTHING;
    this.#counts = new Map();
    return [...counts].map(([version, counted]) => ({ version, ...counted }));
  }

  #markOverdue(now: number): void {
    const overdueMs = Math.max(LEAST_OVERDUE_MS, OVERDUE_TIMES * this.#slowestMs);
    for (const open of this.#open.values()) {
      if (open.isOverdue || now - open.sentAt < overdueMs) continue;
      this.#count(open, undefined, now);
      open.isOverdue = true;
    }
  }

  #take(request: object): Open | undefined {
    const open = this.#open.get(request);
    this.#open.delete(request);
    return open;
  }

  #count({ version, arrivedAt, isOverdue }: Open, failure: string | undefined, now: number): void {
    const counts = this.#countsOf(version);
    if (failure !== undefined) {
      counts.failed += 1;
      if (counts.firstError === "") counts.firstError = failure.slice(0, MOST_ERROR_CHARACTERS);
    }
    if (isOverdue) return;
    const bucket = latencyBucket(now - arrivedAt);
    counts.answered += 1;
    counts.latencies[bucket] = (counts.latencies[bucket] ?? 0) + 1;
  }

  #countsOf(version: Version): Counts {
    let counts = this.#counts.get(version);
    if (counts === undefined) {
      counts = { sent: 0, answered: 0, failed: 0, firstError: "", latencies: emptyLatencies() };
      this.#counts.set(version, counts);
    }
    return counts;
  }
}

const NOTHING: readonly VersionLoad[] = [];

/** What a client is told: user code may have asked for another status than its code's. */
function statusOf({ code, details }: ServeError): number {
  return code === "handler_failed" && details.status !== undefined ? details.status : ERROR_MAP[code].http;
}
