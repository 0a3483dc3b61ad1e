import type { Clock, Timer } from "../../core/clock.ts";

type Pending = { readonly at: number; readonly order: number; readonly callback: () => void };

/** Where the wall clock of a {@link ManualClock} stands at first: a fixed instant in 2023, so that tests repeat. */
const WALL_START_MS = 1_700_000_000_000;

/** A clock that stands still until a test moves it, so that deadlines pass when the test says so and at no other time. */
export class ManualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #pending = new Set<Pending>();

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

  /** Moves the time on, runs what comes due in order, and lets promises settle after each. */
  async advance(byMs: number): Promise<void> {
    const until = this.#now + byMs;
    await settle();
    for (let next = this.#next(); next !== undefined && next.at <= until; next = this.#next()) {
      this.#pending.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
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
}

/** Everything that can happen without time passing has happened. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
