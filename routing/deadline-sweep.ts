import type { Clock, Timer } from "../core/clock.ts";

/** How late a deadline may be noticed; the price of one timer for all requests instead of one each. */
const GRAIN_MS = 8;

/** Something that ends at a time of the clock. */
export interface Expiring {
  readonly deadlineAt: number;
  onDeadline(): void;
}

/**
 * The deadlines of many requests under one timer. Adding and removing costs a set operation; the timer, which is set for
 * the earliest deadline there was, looks at all of them, and that is rare because most requests end long before.
 */
export class DeadlineSweep {
  readonly #clock: Clock;
  readonly #waiting = new Set<Expiring>();
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(expiring: Expiring): void {
    this.#waiting.add(expiring);
    if (expiring.deadlineAt + GRAIN_MS < this.#timerAt) this.#arm(expiring.deadlineAt);
  }

  remove(expiring: Expiring): void {
    this.#waiting.delete(expiring);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting.clear();
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#timerAt = at;
    // Never sooner than a grain from now, so that deadlines close to each other share one look.
    this.#timer = this.#clock.after(Math.max(GRAIN_MS, at - this.#clock.now()), () => this.#sweep());
  }

  #sweep(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = this.#clock.now();
    let earliest = Infinity;
    const expired: Expiring[] = [];
    for (const expiring of this.#waiting) {
      if (expiring.deadlineAt <= now) expired.push(expiring);
      else earliest = Math.min(earliest, expiring.deadlineAt);
    }
    for (const expiring of expired) {
      // One that ends may end others.
      if (this.#waiting.delete(expiring)) expiring.onDeadline();
    }
    if (earliest < this.#timerAt) this.#arm(earliest);
  }
}
