import type { Clock, Timer } from "../../core/clock.ts";
import { UNHEALTHY_AFTER_FAILURES } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";

/**
 * Asks the user's `healthCheck`, and then the models, whether the replica can still do its work.
 *
 *   waiting ──period──▶ asking ──answer or time-out──▶ waiting … ──UNHEALTHY_AFTER_FAILURES in a row──▶ unhealthy
 *
 * One question at a time: a check that hangs is counted once per time-out, and not asked again before it is over. Models
 * keep their time themselves, because a slow one is not an ill one.
 */

/** What a probe is made of. */
export type ProbeDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  /** Fails by throwing or by answering false. */
  readonly healthCheck: (() => unknown) | undefined;
  /** Fails by rejecting, which it does in time. */
  readonly selfTest: ((timeoutMs: number) => Promise<void>) | undefined;
  /** Called once, with the last failure. */
  readonly onUnhealthy: (reason: string) => void;
};

/** How often and how long, in milliseconds. */
export type ProbeTimes = { readonly periodMs: number; readonly timeoutMs: number };

/** The health probe of one replica. */
export class Probe {
  readonly #deps: ProbeDeps;
  #times: ProbeTimes;
  #failures = 0;
  /** The user's check that is under way; never rejects. */
  #checking: Promise<string | undefined> | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(deps: ProbeDeps, times: ProbeTimes) {
    this.#deps = deps;
    this.#times = times;
  }

  start(): void {
    this.#wait();
  }

  /** From the next question on. */
  change(times: ProbeTimes): void {
    this.#times = times;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #wait(): void {
    if (this.#isClosed) return;
    this.#timer = this.#deps.clock.after(this.#times.periodMs, () => void this.#ask());
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const failure = await this.#outcome();
    if (this.#isClosed) return;
    this.#failures = failure === undefined ? 0 : this.#failures + 1;
    if (failure !== undefined) {
      this.#deps.log.warn({ reason: failure, failures: this.#failures }, "a health check failed");
      if (this.#failures >= UNHEALTHY_AFTER_FAILURES) {
        this.close();
        this.#deps.onUnhealthy(`${this.#failures} health checks in a row failed, the last one: ${failure}`);
        return;
      }
    }
    this.#wait();
  }

  async #outcome(): Promise<string | undefined> {
    const { healthCheck, selfTest } = this.#deps;
    const { timeoutMs } = this.#times;
    if (healthCheck !== undefined) {
      this.#checking ??= this.#check(healthCheck);
      const failure = await this.#limited(this.#checking, timeoutMs);
      if (failure !== undefined || this.#isClosed) return failure;
    }
    return await selfTest?.(timeoutMs).then(() => undefined, failureText);
  }

  async #check(healthCheck: () => unknown): Promise<string | undefined> {
    try {
      // Not before `#checking` is set, which what throws at once would clear too early.
      await undefined;
      return (await healthCheck()) === false ? "it answered false" : undefined;
    } catch (error) {
      return failureText(error);
    } finally {
      this.#checking = undefined;
    }
  }

  #limited(checking: Promise<string | undefined>, timeoutMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      const timer = this.#deps.clock.after(timeoutMs, () => resolve(`no answer within ${timeoutMs} ms`));
      void checking.then((failure) => {
        timer.cancel();
        resolve(failure);
      });
    });
  }
}

function failureText(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
