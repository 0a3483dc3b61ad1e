/** Share of the newest cycle in the means. */
const NEW_SHARE = 0.1;
/** Two standard deviations of such a mean of counts, of random arrivals with a mean of 1. */
const CHANCE = 2 * Math.sqrt(NEW_SHARE / (2 - NEW_SHARE));
/** A span that is more of a cycle than this cannot be told from the rest of it. */
const MOST_SPAN_SHARE = 0.75;
/** Ends of the spans in which arrivals are counted, in milliseconds after the end of a batch: each 1.41 times the one before. */
export const ARRIVAL_SPANS_MS: readonly number[] = Array.from({ length: 20 }, (_, at) => 0.125 * 2 ** (at / 2));

/**
 * How many items come within what time of a batch's end. Callers who wait for an answer come back soon after it, all
 * together; those who do not wait come whenever they like, and then these are few.
 */
export class Arrivals {
  /** Mean count by the end of each span. */
  readonly #means = new Float64Array(ARRIVAL_SPANS_MS.length);
  readonly #counts = new Float64Array(ARRIVAL_SPANS_MS.length);
  #endedAt = Number.NEGATIVE_INFINITY;
  #sinceEnd = 0;
  #cycles = 0;
  #meanCount = 0;
  #meanElapsedMs = 0;
  /** Items of the batch that ended last, and on average. */
  #size = 0;
  #meanSize = 0;

  /** Items that have come since the last batch ended. */
  get sinceEnd(): number {
    return this.#sinceEnd;
  }

  /** When the last batch ended; -Infinity before the first. */
  get endedAt(): number {
    return this.#endedAt;
  }

  arrived(now: number): void {
    this.#sinceEnd += 1;
    const at = spanAt(now - this.#endedAt);
    if (at < this.#counts.length) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** A batch of `size` has ended: what came since the one before is learned, as far as time has passed. */
  ended(now: number, size: number): void {
    const elapsedMs = now - this.#endedAt;
    if (Number.isFinite(elapsedMs)) this.#learn(elapsedMs);
    this.#counts.fill(0);
    this.#sinceEnd = 0;
    this.#size = size;
    this.#endedAt = now;
  }

  /**
   * Callers of a batch of `size`, of the one that ended last, who come back within the span after it, as many of each as on
   * average: what comes in it beyond what would come in any time as long, and beyond what chance makes of that.
   */
  returningBy(span: number, size = this.#size): number {
    if (this.#meanSize === 0) return 0;
    const spanShare = (ARRIVAL_SPANS_MS[span] ?? 0) / this.#meanElapsedMs;
    if (spanShare > MOST_SPAN_SHARE) return 0;
    const anyhow = this.#meanCount * spanShare;
    const beyond = Math.max(0, (this.#means[span] ?? 0) - anyhow - CHANCE * Math.sqrt(anyhow));
    // Those who come back are part of the mean as well: of r that do, all in the span, only r × (1 - share) lie beyond it.
    const returning = Math.min(this.#meanSize, beyond / (1 - spanShare));
    return (returning / this.#meanSize) * size;
  }

  #learn(elapsedMs: number): void {
    // The first cycles count in full, so that it knows something soon.
    const share = Math.max(NEW_SHARE, 1 / ++this.#cycles);
    this.#meanCount += share * (this.#sinceEnd - this.#meanCount);
    this.#meanElapsedMs += share * (elapsedMs - this.#meanElapsedMs);
    this.#meanSize += share * (this.#size - this.#meanSize);
    let count = 0;
    for (const [at, endMs] of ARRIVAL_SPANS_MS.entries()) {
      if (endMs > elapsedMs) break;
      count += this.#counts[at] ?? 0;
      const mean = this.#means[at] ?? 0;
      this.#means[at] = mean + share * (count - mean);
    }
  }
}

function spanAt(elapsedMs: number): number {
  const first = ARRIVAL_SPANS_MS[0] ?? 1;
  return elapsedMs <= first ? 0 : Math.ceil(2 * Math.log2(elapsedMs / first) - 1e-9);
}
