import { ARRIVAL_SPANS_MS, Arrivals } from "./arrivals.ts";
import type { Expected } from "./decide/batch.ts";
import { efficientSize } from "./decide/efficient-size.ts";
import type { LengthTimes } from "./decide/select.ts";
import { RunTimeModel } from "./run-time-model.ts";

/** What was learned of run times is believed for ten of them after the last one, and at least and at most this long. */
const BELIEVED_RUNS = 10;
const LEAST_BELIEVED_MS = 1_000;
const MOST_BELIEVED_MS = 10_000;
/** So many batches in a row may be cut below what waits; then a larger one shows again what it takes. */
const MOST_CAPPED = 32;

/**
 * What one batch method's past says of its next batch: how long it takes, how large it pays to be, and who comes back for
 * it. "Work" is what a run's time depends on: items, or costs, or padded lengths.
 */
export class Forecast {
  readonly #runTimes = new RunTimeModel();
  readonly #arrivals = new Arrivals();
  /** Work of an item of the batch that ran last. */
  #workEach = 1;
  #efficientSize = Number.POSITIVE_INFINITY;
  #cappedCount = 0;

  /** What batches of 1, 2, 4 … items are expected to take, as far as runs were near them. */
  expectedRuns(maxBatchSize: number): readonly { readonly items: number; readonly runMs: number }[] {
    const { known } = this.#runTimes;
    const [smallest, largest] = [known[0]?.size ?? Infinity, known.at(-1)?.size ?? 0];
    const runs: { items: number; runMs: number }[] = [];
    for (let items = 1; items <= maxBatchSize; items *= 2) {
      const runMs = this.#runTimes.expect(items * this.#workEach);
      if (runMs === undefined || items * this.#workEach * 2 <= smallest || items * this.#workEach >= 2 * largest)
        continue;
      runs.push({ items, runMs: Math.round(runMs * 1_000) / 1_000 });
    }
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

  /** A batch of so many items ran without a failure. */
  ran(size: number, work: number, runMs: number): void {
    this.#workEach = work / size;
    this.#runTimes.observe(work, runMs);
    this.#efficientSize = efficientSize(this.#runTimes.known);
  }

  /** A batch of `size` has ended, however; the handler is idle. */
  ended(now: number, size: number): void {
    this.#arrivals.ended(now, size);
  }

  /** A batch was cut while so many waited. */
  cut(size: number, waitingCount: number): void {
    if (waitingCount > this.#efficientSize) this.#cappedCount = size > this.#efficientSize ? 0 : this.#cappedCount + 1;
  }

  /** What a batch is expected to take, in milliseconds; undefined: none has run. */
  runMs(work: number): number | undefined {
    return this.#runTimes.expect(work);
  }

  /** What a deadline is held against; 0 when what is known is too old: who is never run could never show otherwise. */
  deadlineMs(work: number, now: number): number {
    return this.#believed(this.#runTimes.expectForDeadline(work) ?? 0, now);
  }

  /** The same for a batch of so many items like those of the last one. */
  itemsDeadlineMs(count: number, now: number): number {
    return this.deadlineMs(count * this.#workEach, now);
  }

  #believed(runMs: number, now: number): number {
    const believedMs = Math.min(MOST_BELIEVED_MS, Math.max(LEAST_BELIEVED_MS, BELIEVED_RUNS * runMs));
    return now - this.endedAt < believedMs ? runMs : 0;
  }

  /** Items beyond which a larger batch buys next to nothing, where items are all that a run's time depends on. */
  sizeLimit(maxBatchSize: number): number {
    return this.#cappedCount >= MOST_CAPPED ? maxBatchSize : Math.min(maxBatchSize, this.#efficientSize);
  }

  /** What a run takes of itself, and for a unit of padded length, where lengths are its work. undefined: not known yet. */
  lengthTimes(): LengthTimes | undefined {
    const { known } = this.#runTimes;
    const [smallest, largest] = [known[0], known.at(-1)];
    if (smallest === undefined || largest === undefined || largest.size < 2 * smallest.size) return undefined;
    // A run that takes no longer for more is as good with any padding: the fullest is best then.
    const unitMs = Math.max(1e-9, (largest.runMs - smallest.runMs) / (largest.size - smallest.size));
    return { fixedMs: Math.max(0, smallest.runMs - unitMs * smallest.size), unitMs };
  }

  /** Who is still to come back, by what is known from earlier batches. */
  expected(now: number): readonly Expected[] {
    const { endedAt, sinceEnd } = this.#arrivals;
    const expected: Expected[] = [];
    let count = 0;
    for (const [span, endMs] of ARRIVAL_SPANS_MS.entries()) {
      const withinMs = endedAt + endMs - now;
      // In a longer time there come no fewer, though of those that come then more may come anyhow.
      count = Math.max(count, this.#arrivals.returningBy(span) - sinceEnd);
      if (withinMs > 0 && count > 0) expected.push({ withinMs, count });
    }
    return expected;
  }
}
