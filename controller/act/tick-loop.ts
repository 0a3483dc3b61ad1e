/**
 * When the controller takes its turns: as soon as something asks for one, a burst of such wishes at once, never two at a
 * time, and at least every TICK_MS.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { TICK_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";

/** What a {@link TickLoop} drives. */
export type TickLoopDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  /** One turn. One that fails is simply followed by the next, which decides anew. */
  readonly tick: () => Promise<void>;
};

/** The controller's loop. */
export class TickLoop {
  readonly #deps: TickLoopDeps;
  #timer: Timer | undefined;
  /** When the next turn is to begin. */
  #wakeAt = Number.POSITIVE_INFINITY;
  #isTicking = false;
  #isClosed = false;

  constructor(deps: TickLoopDeps) {
    this.#deps = deps;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Takes a turn after so long; an earlier one that is planned already stays. */
  wake(delayMs: number): void {
    const at = this.#deps.clock.now() + delayMs;
    if (this.#isClosed || at >= this.#wakeAt) return;
    this.#wakeAt = at;
    if (!this.#isTicking) this.#plan();
  }

  /** No further turns. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #plan(): void {
    const { clock, log, tick } = this.#deps;
    this.#timer?.cancel();
    this.#timer = clock.after(Math.max(0, this.#wakeAt - clock.now()), () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#isTicking = true;
      void tick()
        .catch((err: unknown) => log.error({ err }, "a tick failed; the next one decides anew"))
        .finally(() => {
          this.#isTicking = false;
          this.#wakeAt = Math.min(this.#wakeAt, clock.now() + TICK_MS);
          if (!this.#isClosed) this.#plan();
        });
    });
  }
}
