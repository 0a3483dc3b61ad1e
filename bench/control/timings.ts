/** What something took, in milliseconds, over its rounds. */
export type Timings = {
  readonly rounds: number;
  readonly median: number;
  readonly p99: number;
  readonly min: number;
  readonly max: number;
};

/** The spread of so many milliseconds. */
export function timings(values: readonly number[]): Timings {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { rounds: sorted.length, median: at(0.5), p99: at(0.99), min: at(0), max: at(1) };
}

/** Does something so often, `prepare` before each not counted, and says what it took. */
export async function measure<T>(
  rounds: number,
  prepare: (round: number) => T,
  run: (given: T) => unknown,
): Promise<Timings> {
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const given = prepare(round);
    const startedAt = performance.now();
    await run(given);
    values.push(performance.now() - startedAt);
  }
  return timings(values);
}
