import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";

/** What a {@link Departure} is made from. */
export type DepartureDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  /** How many replicas there are. */
  readonly replicaCount: () => number;
  /** Tells the controller how the node is; false: it is not connected. */
  readonly tell: () => boolean;
};

/** The end of a node whose cluster goes on: what runs here is replaced elsewhere before anything drains. */
export class Departure {
  readonly #deps: DepartureDeps;
  #isLeaving = false;
  #isGivenUp = false;
  #onOver: (() => void) | undefined;

  constructor(deps: DepartureDeps) {
    this.#deps = deps;
  }

  /** The node is about to end, and says so with every heartbeat. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /**
   * Asks the controller to replace what runs here, and resolves when nothing does any more; after `timeoutMs` at the
   * latest, because nothing else may have room, and at once where there is no controller to ask.
   */
  async leave(timeoutMs: number): Promise<void> {
    const { clock, log, replicaCount, tell } = this.#deps;
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    if (this.#isGivenUp || !tell() || replicaCount() === 0) return;
    log.info(
      { replicas: replicaCount(), timeoutMs },
      "the node ends: waiting for its replicas to be replaced elsewhere",
    );
    await new Promise<void>((resolve) => {
      const timer = clock.after(timeoutMs, resolve);
      this.#onOver = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** A replica is gone. */
  replicaGone(): void {
    if (this.#deps.replicaCount() === 0) this.#onOver?.();
  }

  /** The whole cluster shuts down: nothing is replaced any more. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#onOver?.();
  }
}
