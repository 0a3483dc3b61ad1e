/**
 * Latencies in buckets whose width grows with the value: 128 to every doubling, so that a quantile is off by 0.3 % at
 * most and the memory is the same after a million requests as after one.
 */

const BUCKETS_PER_DOUBLING = 128;
/** 2^-10 ms: below a microsecond nothing is told apart. */
const LEAST_EXPONENT = -10;
/** 2^24 ms, some 4 hours: longer than any request may take. */
const MOST_EXPONENT = 24;
const BUCKET_COUNT = (MOST_EXPONENT - LEAST_EXPONENT) * BUCKETS_PER_DOUBLING;

/** What is said of many latencies. NaN where there was none. */
export type LatencySummary = {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
};

/** Counts latencies; see the head of this file. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKET_COUNT);
  #count = 0;
  #sumMs = 0;
  #leastMs = Number.POSITIVE_INFINITY;
  #mostMs = Number.NEGATIVE_INFINITY;

  /** How many were recorded. */
  get count(): number {
    return this.#count;
  }

  /** Adds one; less than nothing counts as nothing. */
  record(latencyMs: number): void {
    const ms = Math.max(0, latencyMs);
    const bucket = bucketOf(ms);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#sumMs += ms;
    this.#leastMs = Math.min(this.#leastMs, ms);
    this.#mostMs = Math.max(this.#mostMs, ms);
  }

  /** Adds all that another one holds. */
  merge(other: LatencyHistogram): void {
    for (let i = 0; i < BUCKET_COUNT; i++) this.#counts[i] = (this.#counts[i] ?? 0) + (other.#counts[i] ?? 0);
    this.#count += other.#count;
    this.#sumMs += other.#sumMs;
    this.#leastMs = Math.min(this.#leastMs, other.#leastMs);
    this.#mostMs = Math.max(this.#mostMs, other.#mostMs);
  }

  /** The least value that at least this share of all values do not exceed; NaN of nothing. */
  quantile(share: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(share * this.#count));
    if (rank >= this.#count) return this.#mostMs;
    let seen = 0;
    for (let i = 0; i < BUCKET_COUNT; i++) {
      seen += this.#counts[i] ?? 0;
      if (seen >= rank) return Math.min(Math.max(valueOf(i), this.#leastMs), this.#mostMs);
    }
    return this.#mostMs;
  }

  /** The figures that are printed. */
  summary(): LatencySummary {
    const isEmpty = this.#count === 0;
    return {
      count: this.#count,
      meanMs: isEmpty ? Number.NaN : this.#sumMs / this.#count,
      p50Ms: this.quantile(0.5),
      p90Ms: this.quantile(0.9),
      p99Ms: this.quantile(0.99),
      p999Ms: this.quantile(0.999),
      maxMs: isEmpty ? Number.NaN : this.#mostMs,
    };
  }
}

function bucketOf(ms: number): number {
  if (ms <= 2 ** LEAST_EXPONENT) return 0;
  const bucket = Math.floor((Math.log2(ms) - LEAST_EXPONENT) * BUCKETS_PER_DOUBLING);
  return Math.min(BUCKET_COUNT - 1, bucket);
}

/** The middle of a bucket, by ratio. */
function valueOf(bucket: number): number {
  return 2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING + LEAST_EXPONENT);
}
