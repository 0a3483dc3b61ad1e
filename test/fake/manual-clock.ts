import type { Clock, Timer } from "../../core/clock.ts";

type Pending = { readonly at: number; readonly order: number; readonly callback: () => void };

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  constructor(now = 0) {
    this.#now = now;
  }

  /** Timers that have not run and were not cancelled. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const pending = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  /** Moves the time on and runs what comes due, in order, also what that schedules within the time. */
  advance(byMs: number): void {
    const until = this.#now + byMs;
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.at > until) break;
      this.#run(next);
    }
    this.#now = until;
  }

  /** Moves the time on without running anything, as a process sees it that was stopped meanwhile. */
  jump(byMs: number): void {
    this.#now += byMs;
  }

  /** As `advance`, but lets promises settle after every timer. */
  async advanceAsync(byMs: number): Promise<void> {
    const until = this.#now + byMs;
    await settle();
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.at > until) break;
      this.#run(next);
      await settle();
    }
    this.#now = until;
  }

  #next(): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#pending) {
      const isEarlier =
        first === undefined || pending.at < first.at || (pending.at === first.at && pending.order < first.order);
      if (isEarlier) first = pending;
    }
    return first;
  }

  #run(pending: Pending): void {
    this.#pending.delete(pending);
    this.#now = Math.max(this.#now, pending.at);
    pending.callback();
  }
}

/** Lets every promise that can settle without time or I/O do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
