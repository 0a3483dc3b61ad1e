import type { Clock, Timer } from "../core/clock.ts";

/** How late a deadline may be noticed; the price of one timer for all requests instead of one each. */
const GRAIN_MS = 8;

/** Something that ends at a time of the clock. */
export interface Expiring {
  /** Infinity: never. */
  readonly deadlineAt: number;
  /** Where the sweep keeps it; owned by the sweep, -1 while it keeps it nowhere. */
  sweepIndex: number;
  onDeadline(): void;
}

/**
 * The deadlines of many requests under one timer. Adding and removing costs a few assignments; the timer, which is set
 * for the earliest deadline there was, looks at all of them, and that is rare because most requests end long before.
 *
 * They stand in an array and know their place in it. In a Set, each of the tables that the engine replaces as requests come
 * and go would point to the next one; old tables that are already in the old generation then keep every new one, and what is
 * in it, alive until a full collection (measured: a fifth of what was allocated survived, and was copied).
 */
export class DeadlineSweep<E extends Expiring = Expiring> {
  readonly #clock: Clock;
  readonly #waiting: E[] = [];
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many wait for their end. */
  get size(): number {
    return this.#waiting.length;
  }

  /** All that wait now, in no order; a copy, because ending one changes what is kept. */
  all(): readonly E[] {
    return [...this.#waiting];
  }

  add(expiring: E): void {
    expiring.sweepIndex = this.#waiting.length;
    this.#waiting.push(expiring);
    if (expiring.deadlineAt + GRAIN_MS < this.#timerAt) this.#arm(expiring.deadlineAt);
  }

  remove(expiring: E): void {
    const at = expiring.sweepIndex;
    if (at < 0) return;
    expiring.sweepIndex = -1;
    const last = this.#waiting.pop();
    if (last === undefined || last === expiring) return;
    last.sweepIndex = at;
    this.#waiting[at] = last;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const expiring of this.#waiting.splice(0)) expiring.sweepIndex = -1;
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
    const expired: E[] = [];
    for (const expiring of this.#waiting) {
      if (expiring.deadlineAt <= now) expired.push(expiring);
      else earliest = Math.min(earliest, expiring.deadlineAt);
    }
    for (const expiring of expired) {
      // One that ends may end others.
      if (expiring.sweepIndex < 0) continue;
      this.remove(expiring);
      expiring.onDeadline();
    }
    if (earliest < this.#timerAt) this.#arm(earliest);
  }
}
