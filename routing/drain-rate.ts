import { DRAIN_RATE_SPAN_MS } from "../core/limits.ts";
import type { DrainEvidence } from "./decide/admit.ts";
import { RecentSum } from "./recent-sum.ts";

/**
 * How fast a deployment takes requests off a router's queue. Only the time in which something waits counts: what ends
 * while nothing waits says how much was asked for, not how much can be done.
 */
export class DrainRate implements DrainEvidence {
  readonly #ended = new RecentSum(DRAIN_RATE_SPAN_MS);
  readonly #waitedMs = new RecentSum(DRAIN_RATE_SPAN_MS);
  #hasWaiting = false;
  /** Until when the time in which something waited is counted. */
  #countedUntil = 0;
  /** As of the last `measure`. */
  endedCount = 0;
  /** As of the last `measure`. */
  waitedMs = 0;

  /** Whether something waits from now on. */
  waiting(hasWaiting: boolean, now: number): void {
    if (hasWaiting === this.#hasWaiting) return;
    this.#count(now);
    this.#hasWaiting = hasWaiting;
  }

  /** A request gave its slot free. */
  ended(now: number): void {
    if (!this.#hasWaiting) return;
    this.#count(now);
    this.#ended.add(1, now);
  }

  /** What is known now. */
  measure(now: number): DrainEvidence {
    this.#count(now);
    this.endedCount = this.#ended.total(now);
    this.waitedMs = this.#waitedMs.total(now);
    return this;
  }

  #count(now: number): void {
    if (this.#hasWaiting && now > this.#countedUntil) {
      this.#waitedMs.add(Math.min(now - this.#countedUntil, DRAIN_RATE_SPAN_MS), now);
    }
    this.#countedUntil = now;
  }
}
