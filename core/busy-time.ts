/** How long something has been at work, all together. Times are monotonic milliseconds. */
export class BusyTime {
  #pastMs = 0;
  #since: number | undefined;
  #mostMs = Number.POSITIVE_INFINITY;

  /** It works from now on, of which so much counts, all where that is no number from 0 on; nothing where it does already. */
  begin(now: number, mostMs = Number.POSITIVE_INFINITY): void {
    if (this.#since !== undefined) return;
    this.#since = now;
    // Once it is no number, the total would never be one again.
    this.#mostMs = mostMs >= 0 ? mostMs : Number.POSITIVE_INFINITY;
  }

  /** It rests from now on; nothing where it does already. */
  end(now: number): void {
    if (this.#since === undefined) return;
    this.#pastMs += Math.min(now - this.#since, this.#mostMs);
    this.#since = undefined;
  }

  totalMs(now: number): number {
    return this.#pastMs + (this.#since === undefined ? 0 : Math.min(now - this.#since, this.#mostMs));
  }
}
