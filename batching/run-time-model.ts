import type { KnownRuns } from "./decide/efficient-size.ts";

/** Share of a new run in what is known of its size. */
const NEW_SHARE = 0.2;

/** Runs are alike while few are longer than their mean by more than this share of it. */
const MOST_MARGIN = 0.2;
/** A size that none of so many runs had, all of them smaller, is forgotten: it may take less by now, and is tried again. */
const FORGOTTEN_AFTER_RUNS = 256;

/**
 * How long a batch of so many items runs, learned from those that ran. Between sizes that ran a straight line is drawn, for
 * that is what a model's time is made of: something for each run and something for each item.
 */
export class RunTimeModel {
  /** By size class; classes without a run are empty. */
  readonly #known: (KnownRuns | undefined)[] = [];
  /** The number of the last run, by size class. */
  readonly #lastRun: number[] = [];
  #runCount = 0;

  /** What is known, the smallest size first. */
  get known(): readonly KnownRuns[] {
    return this.#known.filter((known) => known !== undefined);
  }

  /** A batch of `size` ran for `runMs`. */
  observe(size: number, runMs: number): void {
    const at = sizeClass(size);
    const known = this.#known[at];
    this.#known[at] =
      known === undefined
        ? { size, runMs, deviationMs: 0, count: 1 }
        : {
            size: known.size + NEW_SHARE * (size - known.size),
            runMs: known.runMs + NEW_SHARE * (runMs - known.runMs),
            deviationMs: known.deviationMs + NEW_SHARE * (Math.abs(runMs - known.runMs) - known.deviationMs),
            count: known.count + 1,
          };
    this.#runCount += 1;
    this.#lastRun[at] = this.#runCount;
    for (let larger = at + 1; larger < this.#known.length; larger++) {
      if (this.#runCount - (this.#lastRun[larger] ?? 0) > FORGOTTEN_AFTER_RUNS) this.#known[larger] = undefined;
    }
  }

  /**
   * What a batch of `size` is expected to take. undefined: none has run. One larger than all that ran as if it took no longer
   * than the largest of them, so that it is tried and then known.
   */
  expect(size: number): number | undefined {
    return this.#read(size, ({ runMs }) => runMs, false);
  }

  /** How far such a batch's time usually is from what is expected. undefined: none has run. */
  expectDeviation(size: number): number | undefined {
    return this.#read(size, ({ deviationMs }) => deviationMs, false);
  }

  /**
   * What a deadline is held against. Where runs are alike that is what few batches of `size` take longer than, with a straight
   * line on beyond the largest that ran; where they differ much it is what few take less than: who might be in time is tried.
   * undefined: none has run.
   */
  expectForDeadline(size: number): number | undefined {
    const figure = ({ runMs, deviationMs }: KnownRuns): number => {
      const margin = 2 * deviationMs;
      return margin <= MOST_MARGIN * runMs ? runMs + margin : Math.max(0, runMs - margin);
    };
    const smallest = this.#known.find((known) => known !== undefined);
    if (smallest === undefined || size >= smallest.size) return this.#read(size, figure, true);
    // Fewer than ever ran may take as much less as they are fewer: whoever could then be in time is tried.
    return (figure(smallest) * size) / smallest.size;
  }

  #read(size: number, figure: (known: KnownRuns) => number, isOn: boolean): number | undefined {
    let [before, below, above]: (KnownRuns | undefined)[] = [];
    for (const known of this.#known) {
      if (known === undefined) continue;
      if (known.size > size) {
        above = known;
        break;
      }
      before = below;
      below = known;
    }
    // Below all that ran nothing is known but that fewer items take no longer.
    if (below === undefined) return above === undefined ? undefined : figure(above);
    if (above === undefined && !isOn) return figure(below);
    const [from, to] = above === undefined ? [before, below] : [below, above];
    if (from === undefined) return figure(below);
    const slope = Math.max(0, (figure(to) - figure(from)) / (to.size - from.size));
    return figure(below) + slope * (size - below.size);
  }
}

/** 1, 2, 3, 4 and 5, 6 and 7, 8 to 11, 12 to 15, and so on; all below 1 share a class with 1. */
function sizeClass(size: number): number {
  const octave = Math.max(0, Math.floor(Math.log2(size)));
  return 2 * octave + (size >= 1.5 * 2 ** octave ? 1 : 0);
}
