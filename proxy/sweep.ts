/**
 * Looks at each connection once in a while, a few at a time: those that came at one moment, as an attacker's do, do not
 * all run out of time at one moment, and ending them holds nobody up. Ending 500 at once took 20 to 40 ms.
 */

/** Parts in which a sweep looks at all connections. */
export const SWEEP_PARTS = 10;

/** What a sweep looks at. */
export interface Swept {
  check(now: number): void;
}

/** Sweeps connections, from the first to the last and again, until it is stopped. */
export class Sweep {
  readonly #connections: { readonly size: number; values(): Iterator<Swept> };
  readonly #timer: NodeJS.Timeout;
  /** Where the next part begins: iterators of sets and maps go on while entries come and go. */
  #rest: Iterator<Swept>;
  /** As large as one part of this sweep had to be: a tenth of those that are left would never come to an end. */
  #partSize = 0;

  /** @param sweepMs in which it looks at every connection once. */
  constructor(connections: { readonly size: number; values(): Iterator<Swept> }, sweepMs: number) {
    this.#connections = connections;
    this.#rest = connections.values();
    this.#timer = setInterval(() => this.#part(), sweepMs / SWEEP_PARTS).unref();
  }

  /** Looks at all of them now. */
  all(): void {
    const now = performance.now();
    const all = this.#connections.values();
    for (let next = all.next(); next.done !== true; next = all.next()) next.value.check(now);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #part(): void {
    const now = performance.now();
    const partSize = Math.ceil(this.#connections.size / SWEEP_PARTS);
    this.#partSize = Math.max(this.#partSize, partSize);
    for (let left = this.#partSize; left > 0; left--) {
      let next = this.#rest.next();
      if (next.done === true) {
        this.#partSize = partSize;
        this.#rest = this.#connections.values();
        next = this.#rest.next();
        if (next.done === true) return;
      }
      next.value.check(now);
    }
  }
}
