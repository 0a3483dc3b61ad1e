import type { Clock, Timer } from "../../core/clock.ts";

type Pending = { readonly at: number; readonly order: number; readonly callback: () => void };

/** Where the wall clock stands at first: a fixed instant in 2023, so that tests repeat. */
const WALL_START_MS = 1_700_000_000_000;

/** A clock that stands still; what moves it, and how, is the business of those that extend it. */
export class StillClock implements Clock {
  #now: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return WALL_START_MS + this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const pending = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  /** Timers that have not run and were not cancelled. */
  protected get pendingCount(): number {
    return this.#pending.size;
  }

  /** Moves the time on, and runs nothing. */
  protected moveTo(at: number): void {
    this.#now = Math.max(this.#now, at);
  }

  /** Moves the time to the first timer due at or before an instant, and runs it; false when there is none. */
  protected runNext(until: number): boolean {
    let first: Pending | undefined;
    for (const pending of this.#pending) {
      const isEarlier =
        first === undefined || pending.at < first.at || (pending.at === first.at && pending.order < first.order);
      if (isEarlier) first = pending;
    }
    if (first === undefined || first.at > until) return false;
    this.#pending.delete(first);
    this.moveTo(first.at);
    first.callback();
    return true;
  }
}

/** Everything that can happen without time passing has happened. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
