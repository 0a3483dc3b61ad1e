import type { Clock, Timer } from "../../core/clock.ts";
import { BEAT_MS } from "../../core/limits.ts";
import type { Histogram } from "../../core/metric.ts";
import type { BeatMessage } from "../../proto/control/message.ts";
import type { Replica } from "./replica.ts";

/**
 * The sign of life of a replica's event loop: a message to its worker, over and over, that says until when what is ongoing
 * may take. A loop that user code holds sends none, and the worker judges by what the last one said
 * (`worker/decide/health.ts`); so it must be true at every moment. Therefore a deadline that is not near the one told is
 * told before its request reaches user code: a write to the worker's socket has left the process when it returns.
 *
 * This takes no thread beside the loop, which would cost each replica 15 MB and 45 ms of CPU time at its start.
 */

/** What a beat is made of. */
export type BeatDeps = {
  readonly clock: Clock;
  readonly replica: Pick<Replica, "ongoing" | "latestDeadlineAt" | "deadlineTold">;
  /** How late the event loop is for its timer, in seconds. */
  readonly lag: Histogram;
  readonly send: (beat: BeatMessage) => void;
};

/** One replica's beat. */
export class Beat {
  readonly #deps: BeatDeps;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(deps: BeatDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { clock, lag } = this.#deps;
    this.tell();
    const dueAt = clock.now() + BEAT_MS;
    this.#timer = clock.after(BEAT_MS, () => {
      if (this.#isClosed) return;
      lag.observe(Math.max(0, clock.now() - dueAt) / 1_000);
      this.start();
    });
  }

  /** Says now how it is. */
  tell(): void {
    const { clock, replica, send } = this.#deps;
    const { ongoing, latestDeadlineAt } = replica;
    const deadlineInMs = latestDeadlineAt === 0 ? null : latestDeadlineAt - clock.now();
    replica.deadlineTold();
    send({ kind: "beat", ongoing, deadlineInMs });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}
