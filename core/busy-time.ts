/** How long something has been at work, all together. Times are monotonic milliseconds. */
export class BusyTime {
  #pastMs = 0;
  #since: number | undefined;

  /** It works from now on; nothing where it does already. */
  begin(now: number): void {
    this.#since ??= now;
  }

  /** It rests from now on; nothing where it does already. */
  end(now: number): void {
    if (this.#since === undefined) return;
    this.#pastMs += now - this.#since;
    this.#since = undefined;
  }

  totalMs(now: number): number {
    return this.#pastMs + (this.#since === undefined ? 0 : now - this.#since);
  }
}
