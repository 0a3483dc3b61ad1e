import type { Clock, Timer } from "../core/clock.ts";
import { ModelError } from "../core/error.ts";
import { SELF_TEST_WARMUPS } from "../core/limits.ts";

/** What a {@link SelfTest} is made of. */
export type SelfTestDeps = {
  readonly clock: () => Clock;
  /** How errors name the model. */
  readonly name: string;
  /** The model is loaded, and no run of it is under way or waits. */
  readonly isIdle: () => boolean;
};

/**
 * Whether a model still runs, found out by running it where nobody else does. A test that would have to wait for other
 * runs says nothing but how long they take, so none is begun then; nor a second one beside one that is under way.
 */
export class SelfTest {
  readonly #deps: SelfTestDeps;
  #run: (() => Promise<void>) | undefined;
  #leastMs = 0;
  #hasPassed = false;
  #testing: Promise<void> | undefined;

  constructor(deps: SelfTestDeps) {
    this.#deps = deps;
  }

  /** What it runs: something that has run before, and took so long. */
  use(run: () => Promise<void>, tookMs: number): void {
    this.#run = run;
    this.#leastMs = tookMs * SELF_TEST_WARMUPS;
    this.#hasPassed = true;
  }

  /** Somebody's run showed it. */
  passed(): void {
    this.#hasPassed = true;
  }

  /** Rejects when the model does not run, or takes longer than `timeoutMs` and much longer than when it was warmed up. */
  async run(timeoutMs: number): Promise<void> {
    const isKnown = this.#hasPassed;
    this.#hasPassed = false;
    if (isKnown || this.#run === undefined) return;
    if (this.#testing === undefined) {
      if (!this.#deps.isIdle()) return;
      this.#testing = this.#begin(this.#run);
    }
    await this.#limited(this.#testing, Math.max(timeoutMs, this.#leastMs));
  }

  #begin(run: () => Promise<void>): Promise<void> {
    const testing = run()
      .then(() => this.passed())
      .finally(() => (this.#testing = undefined));
    // It may fail after the one who asked has stopped waiting; then the next test tells.
    testing.catch(() => undefined);
    return testing;
  }

  #limited(testing: Promise<void>, limitMs: number): Promise<void> {
    const { clock, name } = this.#deps;
    let timer: Timer | undefined;
    const limit = new Promise<void>((resolve, reject) => {
      timer = clock().after(limitMs, () => {
        // A user's run may have passed it.
        if (this.#hasPassed) resolve();
        else reject(new ModelError(`${name} has not ended its self-test within ${Math.round(limitMs)} ms`));
      });
    });
    return Promise.race([testing, limit]).finally(() => timer?.cancel());
  }
}
