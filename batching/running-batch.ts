import type { AbandonedRun, BatchWork } from "../core/construction.ts";
import { BusyTime } from "../core/busy-time.ts";

/** What is to be known of the batch that runs, and of how long batches have run. Times are monotonic milliseconds. */
export class RunningBatch<E extends { readonly hasEnded: boolean; readonly deadlineAt: number }> {
  readonly #giveUp: (error: Error) => void;
  readonly #busy = new BusyTime();
  #entries: readonly E[] = [];
  #number = 0;
  #isRunning = false;
  #beganAt = 0;
  #longestMs = 0;
  /** When it is expected to end. */
  endsAt = Number.NEGATIVE_INFINITY;

  /** @param giveUp fails what waits for the batch that runs to end. */
  constructor(giveUp: (error: Error) => void) {
    this.#giveUp = giveUp;
  }

  /**
   * `expected.bestMs`: what it would take if batches were as large as they can be. No more of it counts as work: one that
   * is always busy with batches of one has room for more as long as larger ones take hardly longer.
   */
  begin(entries: readonly E[], now: number, expected: { readonly endsAt: number; readonly bestMs: number }): void {
    this.#entries = entries;
    this.#number += 1;
    this.#isRunning = true;
    this.#beganAt = now;
    this.endsAt = expected.endsAt;
    this.#busy.begin(now, expected.bestMs);
  }

  end(now: number): void {
    this.#entries = [];
    this.#isRunning = false;
    this.#longestMs = Math.max(this.#longestMs, now - this.#beganAt);
    this.#busy.end(now);
  }

  /** How much has been done, and whether what runs is done for nobody. */
  work(now: number): BatchWork {
    const isAbandoned = this.#isRunning && this.#entries.every(({ hasEnded }) => hasEnded);
    return { busyMs: this.#busy.totalMs(now), abandonedRun: isAbandoned ? this.#abandoned() : undefined };
  }

  #abandoned(): AbandonedRun {
    const deadlines = this.#entries.map(({ deadlineAt }) => deadlineAt).filter(Number.isFinite);
    const deadlineAt = Math.max(0, ...deadlines);
    return { id: this.#number, deadlineAt, longestMs: this.#longestMs, giveUp: this.#giveUp };
  }
}
