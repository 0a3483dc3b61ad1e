/**
 * How many of the items that could run together to run, so that the most are answered in time for the time it takes: a batch
 * that ends after everybody's deadline serves nobody, where half of it might have been in time. Those whom it would be too late
 * for are passed over. Sizes are tried by halves.
 */
export function fit(deadlines: readonly number[], runMs: (count: number) => number, now: number): number {
  let [bestCount, bestRate] = [deadlines.length, 0];
  for (let count = deadlines.length; count >= 1; count >>= 1) {
    const ms = Math.max(runMs(count), LEAST_RUN_MS);
    const inTime = Math.min(count, deadlines.filter((deadlineAt) => deadlineAt > now + ms).length);
    if (inTime / ms > bestRate) [bestCount, bestRate] = [count, inTime / ms];
    // Fewer are only worth a look where not all of these are in time.
    if (inTime === count) break;
  }
  return bestCount;
}

/** What is not known to take any time takes some. */
const LEAST_RUN_MS = 1e-3;
