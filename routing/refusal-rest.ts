import { backoff } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { REFUSAL_BACKOFF } from "../core/limits.ts";
import type { Random } from "../core/random.ts";

/**
 * How long a replica that refused a request is left alone. Other routers have taken the slots that looked free from
 * here, and without a rest the request would be sent straight back. A request of our own that ends has freed a slot, and
 * so ends the rest early.
 */
export class RefusalRest {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onOver: () => void;
  #timer: Timer | undefined;
  #refusalsInARow = 0;

  constructor(deps: { readonly clock: Clock; readonly random: Random; readonly onOver: () => void }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#onOver = deps.onOver;
  }

  get isResting(): boolean {
    return this.#timer !== undefined;
  }

  /** It refused: longer each time in a row. Refusals during a rest are of requests sent before it. */
  refused(): void {
    if (this.#timer !== undefined) return;
    const delayMs = backoff(this.#refusalsInARow++, REFUSAL_BACKOFF, this.#random);
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#onOver();
    });
  }

  /** A request ended there. */
  ended(): void {
    this.#refusalsInARow = 0;
    this.cancel();
  }

  /** Ends the rest without a word. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
