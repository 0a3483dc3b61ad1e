import { leadMs } from "./decide/ahead.ts";
import { efficientSize } from "./decide/efficient-size.ts";
import type { LengthTimes } from "./decide/select.ts";
import { RunTimeModel } from "./run-time-model.ts";

/** So many batches in a row may be cut below what waits; then a larger one shows again what it takes. */
const MOST_CAPPED = 32;

/**
 * What past batches of one key say of its next: how long it takes, and how large it pays to be. "Work" is what a run's time
 * depends on: items, or costs, or padded lengths.
 */
export class RunForecast {
  readonly #runTimes = new RunTimeModel();
  /** Work of an item of the batch that ran last. */
  #workEach = 1;
  #efficientSize = Number.POSITIVE_INFINITY;
  #cappedCount = 0;

  /** A batch of so many items ran without a failure. */
  ran(size: number, work: number, runMs: number): void {
    this.#workEach = work / size;
    this.#runTimes.observe(work, runMs);
    this.#efficientSize = efficientSize(this.#runTimes.known);
  }

  /** A batch was cut while so many waited. */
  cut(size: number, waitingCount: number): void {
    if (waitingCount > this.#efficientSize) this.#cappedCount = size > this.#efficientSize ? 0 : this.#cappedCount + 1;
  }

  /** What a batch is expected to take, in milliseconds; 0: none has run. */
  runMs(work: number): number {
    return this.#runTimes.expect(work) ?? 0;
  }

  /** The same for a batch of so many items like those of the last one. */
  itemsMs(count: number): number {
    return this.runMs(count * this.#workEach);
  }

  /** From its begin to when it is decided what to hand over to run after it. undefined: not known, for none has run. */
  aheadMs(work: number): number | undefined {
    const runMs = this.runMs(work);
    const deviationMs = this.#runTimes.expectDeviation(work);
    return deviationMs === undefined ? undefined : runMs - leadMs({ runMs, deviationMs });
  }

  /**
   * What an item takes in batches of the best size that is known, or of twice the largest that has run, which is taken to
   * take no longer: Infinity while nothing has run.
   */
  bestMsEach(maxBatchSize: number): number {
    const { known } = this.#runTimes;
    let best = Number.POSITIVE_INFINITY;
    for (const { size, runMs } of known) if (size > 0) best = Math.min(best, (runMs / size) * this.#workEach);
    const largest = known.at(-1);
    // Work of 0 tells nothing of what an item takes: then all that a run takes counts.
    if (largest === undefined || largest.size <= 0 || this.#workEach <= 0) return Number.POSITIVE_INFINITY;
    const items = Math.min(maxBatchSize, (2 * largest.size) / this.#workEach);
    return Math.min(best, largest.runMs / Math.max(1, items));
  }

  /** What a deadline is held against; 0: nothing is known. */
  deadlineMs(work: number): number {
    return this.#runTimes.expectForDeadline(work) ?? 0;
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

  /** What batches of 1, 2, 4 … items are expected to take, as far as runs were near them. */
  expectedRuns(maxBatchSize: number): readonly { readonly items: number; readonly runMs: number }[] {
    const { known } = this.#runTimes;
    const [smallest, largest] = [known[0]?.size ?? Infinity, known.at(-1)?.size ?? 0];
    const runs: { items: number; runMs: number }[] = [];
    for (let items = 1; items <= maxBatchSize; items *= 2) {
      const work = items * this.#workEach;
      if (work * 2 <= smallest || work >= 2 * largest) continue;
      runs.push({ items, runMs: Math.round(this.runMs(work) * 1_000) / 1_000 });
    }
    return runs;
  }
}
