/** Whether a model still runs, found out by running it where nobody else has. */
export class SelfTest {
  #run: (() => Promise<void>) | undefined;
  #hasPassed = false;

  /** What it runs: something that has run before. */
  use(run: () => Promise<void>): void {
    this.#run = run;
    this.#hasPassed = true;
  }

  /** Somebody's run showed it. */
  passed(): void {
    this.#hasPassed = true;
  }

  /** Rejects when the model does not run. */
  async run(): Promise<void> {
    const isKnown = this.#hasPassed;
    this.#hasPassed = false;
    if (!isKnown) await this.#run?.();
  }
}
