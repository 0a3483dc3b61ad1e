import type { Random } from "../core/random.ts";

/**
 * How requests of one rate are spread over time: `fixed` is evenly, `poisson` is as independent callers come, which is
 * in bursts now and then.
 */
export type Arrivals = "fixed" | "poisson";

/** When each request of a load is due, in milliseconds after its start. The first of a fixed schedule is due at 0. */
export class ArrivalSchedule {
  readonly #periodMs: number;
  readonly #arrivals: Arrivals;
  readonly #random: Random;
  #count = 0;
  #dueMs = 0;

  constructor(ratePerSecond: number, arrivals: Arrivals, random: Random) {
    this.#periodMs = 1_000 / ratePerSecond;
    this.#arrivals = arrivals;
    this.#random = random;
    if (arrivals === "poisson") this.#dueMs = this.#gapMs();
  }

  /** When the next one is due; the same until `advance`. */
  get nextDueMs(): number {
    return this.#dueMs;
  }

  /** The next one was sent. */
  advance(): void {
    this.#count += 1;
    // A product and not a sum, so that no rounding piles up over a million requests.
    this.#dueMs = this.#arrivals === "fixed" ? this.#count * this.#periodMs : this.#dueMs + this.#gapMs();
  }

  #gapMs(): number {
    return -Math.log(1 - this.#random.next()) * this.#periodMs;
  }
}
