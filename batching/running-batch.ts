import type { AbandonedRun, BatchWork } from "../core/construction.ts";
import { BusyTime } from "../core/busy-time.ts";

/** What is expected of a batch that is handed over, in milliseconds. */
export type ExpectedBatch = {
  readonly runMs: number;
  /** The same, as deadlines are held against it. */
  readonly deadlineMs: number;
  /**
   * What it would take if batches were as large as they can be. No more of it counts as work: one that is always busy with
   * batches of one has room for more as long as larger ones take hardly longer.
   */
  readonly bestMs: number;
  /** From its begin to when it is decided whether the next one is handed over. undefined: not before its end. */
  readonly aheadMs: number | undefined;
};

type Handed<E> = ExpectedBatch & { readonly entries: readonly E[] };

/** What the handler has: the batch that runs, and at most one ahead, handed over to run after it. Times are monotonic milliseconds. */
export class RunningBatch<E extends { readonly hasEnded: boolean; readonly deadlineAt: number }> {
  readonly #giveUp: (error: Error) => void;
  readonly #busy = new BusyTime();
  #present: Handed<E> | undefined;
  #ahead: Handed<E> | undefined;
  #number = 0;
  #beganAt = 0;
  #longestMs = 0;
  #settledAt = Number.NEGATIVE_INFINITY;

  /** @param giveUp fails what waits for the batch that runs to end. */
  constructor(giveUp: (error: Error) => void) {
    this.#giveUp = giveUp;
  }

  get isRunning(): boolean {
    return this.#present !== undefined;
  }

  /** Items of the batch that runs. */
  get size(): number {
    return this.#present?.entries.length ?? 0;
  }

  /** Who is to run after the batch that runs. */
  get aheadEntries(): readonly E[] {
    return this.#ahead?.entries ?? [];
  }

  /** How long after it began the batch that runs may be followed up by one ahead. undefined: not, or it already is. */
  get aheadMs(): number | undefined {
    return this.#ahead === undefined ? this.#present?.aheadMs : undefined;
  }

  /** When the batch that runs is expected to end; now if none does. */
  endsAt(now: number): number {
    return Math.max(now, this.#beganAt + (this.#present?.runMs ?? 0));
  }

  /** When another batch could begin, as deadlines are held against it: when what is handed over has run. */
  freeAt(now: number): number {
    if (this.#present === undefined) return now;
    return Math.max(now, this.#beganAt + this.#present.deadlineMs) + (this.#ahead?.deadlineMs ?? 0);
  }

  /** Handed over: it begins now, or when the one that runs has ended. */
  handOver(entries: readonly E[], now: number, expected: ExpectedBatch): void {
    if (this.#present === undefined) this.#begin({ entries, ...expected }, now);
    else this.#ahead = { entries, ...expected };
  }

  /** The batch that ran has ended; the one ahead, if there is one, is the one that runs. */
  end(now: number): void {
    this.#longestMs = Math.max(this.#longestMs, now - this.#beganAt);
    this.#busy.end(now);
    const next = this.#ahead;
    this.#present = undefined;
    this.#ahead = undefined;
    if (next !== undefined) this.#begin(next, now);
  }

  /** A run of the handler has ended. How long it took, if it began no sooner than the one before it had ended. */
  settled(now: number): number {
    const ranMs = now - this.#settledAt;
    this.#settledAt = now;
    return ranMs;
  }

  /** How much has been done, and whether what runs is done for nobody. */
  work(now: number): BatchWork {
    const isAbandoned = this.#present?.entries.every(({ hasEnded }) => hasEnded) === true;
    return { busyMs: this.#busy.totalMs(now), abandonedRun: isAbandoned ? this.#abandoned() : undefined };
  }

  #begin(batch: Handed<E>, now: number): void {
    this.#present = batch;
    this.#number += 1;
    this.#beganAt = now;
    this.#busy.begin(now, batch.bestMs);
  }

  #abandoned(): AbandonedRun {
    const deadlines = (this.#present?.entries ?? []).map(({ deadlineAt }) => deadlineAt).filter(Number.isFinite);
    const deadlineAt = Math.max(0, ...deadlines);
    return { id: this.#number, deadlineAt, longestMs: this.#longestMs, giveUp: this.#giveUp };
  }
}
