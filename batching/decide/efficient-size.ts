/** Means of the runs of about one size. */
export type KnownRuns = {
  /** Mean of their sizes: items, or what else a run's time depends on. */
  readonly size: number;
  readonly runMs: number;
  /** Mean distance of a run from `runMs`. */
  readonly deviationMs: number;
  readonly count: number;
};

/** A batch of twice the size that gets less than this more done in a time is not worth the wait for its end. */
const LEAST_GAIN = 0.03;
/** Runs of a size before what is known of it counts. */
const LEAST_RUNS = 5;

/**
 * The size beyond which larger batches buy next to nothing: those that wait then end sooner in two runs than in one. `known`
 * has the smallest size first. A size counts once a batch of nearly twice as many was tried too, and larger ones have the
 * benefit of the doubt, because cutting too small costs throughput and cutting too large only some latency. Infinity: not known.
 */
export function efficientSize(known: readonly KnownRuns[]): number {
  const tried = known.filter(({ count }) => count >= LEAST_RUNS);
  const largest = tried.at(-1)?.size ?? 0;
  for (const { size, runMs, deviationMs } of tried) {
    if (size * 1.9 > largest) break;
    const rate = size / (runMs + deviationMs);
    const isBeaten = known.some(
      (other) => other.size > size && other.size > (1 + LEAST_GAIN) * rate * (other.runMs - other.deviationMs),
    );
    if (!isBeaten) return Math.max(1, Math.round(size));
  }
  return Number.POSITIVE_INFINITY;
}
