import { LEAST_RUN_TIMES } from "../../core/limits.ts";

/** What a router learned of a replica from its latest answers. */
export type RunTimeSummary = {
  /** Answers that the rest was learned from. */
  readonly count: number;
  /** From sending a request to its answer: the median. */
  readonly medianMs: number;
  /** As `medianMs`, of the times divided by how many requests the replica had when it answered. */
  readonly medianShareMs: number;
};

/** A replica whose answers take so many times as long as the others' is slow. */
const SLOW_FACTOR = 10;
/**
 * And so many times as long for each request that it has: one that runs its requests one after the other, and has sixteen
 * where the others have one, is not slow but busy.
 */
const SLOW_SHARE_FACTOR = 2;
/** Below this nothing is slow: the way to another zone and a pause of the garbage collector are as long. */
const LEAST_SLOW_MS = 50;

/** Whether one answer took far longer than usual; false while nobody knows what is usual. */
export function isFarSlower(runMs: number, usualMs: number | undefined): boolean {
  return usualMs !== undefined && runMs >= LEAST_SLOW_MS && runMs > SLOW_FACTOR * usualMs;
}

/** What comparing says. */
export type RunTimeComparison = {
  /** Which are slow, by their place in what was compared. */
  readonly slow: readonly number[];
  /** What an answer usually takes: the median of the medians; undefined while too little is known. */
  readonly usualMs: number | undefined;
};

/** Finds the replicas that are far slower than the others. Each is compared with all but itself. */
export function compareRunTimes(replicas: readonly RunTimeSummary[]): RunTimeComparison {
  const known = replicas.map((_, at) => at).filter((at) => (replicas[at]?.count ?? 0) >= LEAST_RUN_TIMES);
  const runs = new Ranks(known.map((at) => replicas[at]?.medianMs ?? 0));
  const shares = new Ranks(known.map((at) => replicas[at]?.medianShareMs ?? 0));
  const slow = known.filter((at) => {
    const { medianMs = 0, medianShareMs = 0 } = replicas[at] ?? {};
    return (
      known.length > 1 &&
      medianMs >= LEAST_SLOW_MS &&
      medianMs > SLOW_FACTOR * runs.medianWithout(medianMs) &&
      medianShareMs > SLOW_SHARE_FACTOR * shares.medianWithout(medianShareMs)
    );
  });
  return { slow, usualMs: known.length === 0 ? undefined : runs.median };
}

/** Values in order, so that the median of all but one is found at once. */
class Ranks {
  readonly #sorted: readonly number[];

  constructor(values: readonly number[]) {
    this.#sorted = values.toSorted((one, other) => one - other);
  }

  get median(): number {
    return this.#sorted[(this.#sorted.length - 1) >> 1] ?? 0;
  }

  /** The lower median of the others. With `value` taken out, what stood behind it moves up by one. */
  medianWithout(value: number): number {
    const middle = (this.#sorted.length - 2) >> 1;
    const isBefore = value <= (this.#sorted[middle] ?? 0);
    return this.#sorted[isBefore ? middle + 1 : middle] ?? 0;
  }
}
