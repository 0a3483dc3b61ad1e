/**
 * How long answers took, as counts per bucket: the same buckets everywhere, so that counts of many routers add up to a
 * whole. Bucket bounds are log-spaced from LEAST_MS to MOST_MS, each 1.39 times the one before.
 */

/** Buckets of a histogram; the last has no upper bound. */
export const LATENCY_BUCKET_COUNT = 40;

const LEAST_MS = 0.5;
const MOST_MS = 120_000;
const LOG_STEP = Math.log(MOST_MS / LEAST_MS) / (LATENCY_BUCKET_COUNT - 2);

/** No answer yet. */
export function emptyLatencies(): number[] {
  return Array.from({ length: LATENCY_BUCKET_COUNT }, () => 0);
}

/** Which bucket a time belongs to. */
export function latencyBucket(ms: number): number {
  // Also what is no number: it must not become the index of nothing.
  if (!(ms > LEAST_MS)) return 0;
  return Math.min(Math.ceil(Math.log(ms / LEAST_MS) / LOG_STEP), LATENCY_BUCKET_COUNT - 1);
}

/**
 * The time that a share of all answers took at most, milliseconds; undefined without answers. Within a bucket answers are
 * taken to be spread evenly, on the same logarithmic scale. What took longer than the longest bound counts as that.
 */
export function latencyQuantile(counts: readonly number[], share: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const wanted = Math.max(0, Math.min(1, share)) * total;
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && below + count >= wanted) return timeAt(bucket, (wanted - below) / count);
    below += count;
  }
  return MOST_MS;
}

/** The time at a part, 0 to 1, of a bucket. */
function timeAt(bucket: number, part: number): number {
  if (bucket === 0) return LEAST_MS * part;
  return Math.min(MOST_MS, LEAST_MS * Math.exp((bucket - 1 + part) * LOG_STEP));
}
