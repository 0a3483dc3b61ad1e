/**
 * The sum of what was added in the last `spanMs`, in memory that does not grow. Time is cut into slices that are
 * forgotten whole, so the sum covers between nine tenths of the span and all of it.
 */
export class RecentSum {
  readonly #sliceMs: number;
  readonly #slices = new Float64Array(10);
  /** Number of the slice that `now` was in when it was last asked. */
  #slice = -Infinity;
  #total = 0;

  constructor(spanMs: number) {
    this.#sliceMs = spanMs / this.#slices.length;
  }

  add(amount: number, now: number): void {
    this.#forget(now);
    const at = this.#slice % this.#slices.length;
    this.#slices[at] = (this.#slices[at] ?? 0) + amount;
    this.#total += amount;
  }

  total(now: number): number {
    this.#forget(now);
    return this.#total;
  }

  #forget(now: number): void {
    const slice = Math.max(0, Math.floor(now / this.#sliceMs));
    if (slice <= this.#slice) return;
    const count = this.#slices.length;
    if (slice - this.#slice >= count) {
      this.#slices.fill(0);
      this.#total = 0;
    } else {
      for (let old = this.#slice + 1; old <= slice; old++) {
        this.#total -= this.#slices[old % count] ?? 0;
        this.#slices[old % count] = 0;
      }
    }
    this.#slice = slice;
  }
}
