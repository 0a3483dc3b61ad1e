import { MOST_BATCH_KEYS } from "../core/limits.ts";
import { ARRIVAL_SPANS_MS, Arrivals } from "./arrivals.ts";
import type { Expected } from "./decide/batch.ts";
import { RunForecast } from "./run-forecast.ts";

/** What one batch method's past says of its next batch: by key, because models and shapes differ, and who comes back for it. */
export class Forecast {
  /** The one used last stands last. */
  readonly #byKey = new Map<string, RunForecast>();
  readonly #arrivals = new Arrivals();
  /** Of the batch that was cut last. */
  latest = new RunForecast();

  /** Runs of one key, a new one if it has none; only so many keys are remembered. */
  ofKey(key: string): RunForecast {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const runs = new RunForecast();
    this.#byKey.set(key, runs);
    const [oldest] = this.#byKey.keys();
    if (this.#byKey.size > MOST_BATCH_KEYS && oldest !== undefined) this.#byKey.delete(oldest);
    return runs;
  }

  /** When the last batch ended; -Infinity before the first. */
  get endedAt(): number {
    return this.#arrivals.endedAt;
  }

  /** An item has come. */
  arrived(now: number): void {
    this.#arrivals.arrived(now);
  }

  /** A batch of `size` items of a key was cut while so many waited. */
  cut(key: string, size: number, waitingCount: number): void {
    const runs = this.ofKey(key);
    this.#byKey.delete(key);
    this.#byKey.set(key, runs);
    this.latest = runs;
    runs.cut(size, waitingCount);
  }

  /** A batch of `size` has ended, however. */
  ended(now: number, size: number): void {
    this.#arrivals.ended(now, size);
  }

  /** Who is still to come back after the last batch, by what is known from earlier ones. */
  expected(now: number): readonly Expected[] {
    const { endedAt, sinceEnd } = this.#arrivals;
    return this.#returning((span) => this.#arrivals.returningBy(span) - sinceEnd, endedAt, now);
  }

  /** Who will come back after the end of a batch of `size`. */
  expectedAfter(size: number): readonly Expected[] {
    return this.#returning((span) => this.#arrivals.returningBy(span, size), 0, 0);
  }

  #returning(by: (span: number) => number, endedAt: number, now: number): readonly Expected[] {
    const expected: Expected[] = [];
    let count = 0;
    for (const [span, endMs] of ARRIVAL_SPANS_MS.entries()) {
      // In this order it is never so little that a pause for it would end when it began.
      const withinMs = endedAt + endMs - now;
      // In a longer time there come no fewer, though of those that come then more may come anyhow.
      count = Math.max(count, by(span));
      if (withinMs > 0 && count > 0) expected.push({ withinMs, count });
    }
    return expected;
  }
}
