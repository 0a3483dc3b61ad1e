import type { ErrorCode } from "../core/error.ts";
import type { Version } from "../core/ids.ts";
import { emptyLatencies, latencyBucket } from "../core/latency-histogram.ts";
import type { VersionLoad } from "../core/load.ts";

type Counts = { answered: number; failed: number; readonly latencies: number[] };

/** What a version is to blame for; not what its callers did wrong, nor what was refused before it began. */
const FAILURES: ReadonlySet<ErrorCode> = new Set([
  "handler_failed",
  "model_failed",
  "internal",
  "replica_lost",
  "deadline_exceeded",
]);
/** Ended without the version having had a part in it. */
const NOT_ITS_OWN: ReadonlySet<ErrorCode> = new Set([
  "cancelled",
  "queue_full",
  "deployment_unavailable",
  "deployment_not_found",
  "replica_draining",
  "replica_overloaded",
]);

/** How requests ended at each version of a deployment, while they are divided among versions: what a rollout is judged by. */
export class VersionOutcomes {
  #counts = new Map<Version, Counts>();

  /** A version answered, so long after the request had come. */
  answered(version: Version, status: number, tookMs: number): void {
    this.#count(version, status >= 500, tookMs);
  }

  /** A request for a version ended with an error, so long after it had come. */
  ended(version: Version, code: ErrorCode, tookMs: number): void {
    if (!NOT_ITS_OWN.has(code)) this.#count(version, FAILURES.has(code), tookMs);
  }

  /** An answer that was counted already broke off. */
  brokeOff(version: Version, code: ErrorCode): void {
    if (FAILURES.has(code)) this.#countsOf(version).failed += 1;
  }

  /** What was counted since it was taken last. */
  take(): readonly VersionLoad[] {
    const counts = this.#counts;
    if (counts.size === 0) return NOTHING;
    this.#counts = new Map();
    return [...counts].map(([version, counted]) => ({ version, ...counted }));
  }

  #count(version: Version, isFailed: boolean, tookMs: number): void {
    const counts = this.#countsOf(version);
    const bucket = latencyBucket(tookMs);
    counts.answered += 1;
    if (isFailed) counts.failed += 1;
    counts.latencies[bucket] = (counts.latencies[bucket] ?? 0) + 1;
  }

  #countsOf(version: Version): Counts {
    let counts = this.#counts.get(version);
    if (counts === undefined) {
      counts = { answered: 0, failed: 0, latencies: emptyLatencies() };
      this.#counts.set(version, counts);
    }
    return counts;
  }
}

const NOTHING: readonly VersionLoad[] = [];
