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

/** Connections in the order in which they came: a set or a map, whose iterators go on while entries come and go. */
type Connections = { readonly size: number; values(): Iterator<Swept> };

/** Sweeps connections, the oldest first, again and again until it is stopped. */
export class Sweep {
  readonly #connections: Connections;
  readonly #timer: NodeJS.Timeout;
  #partsLeft = 0;
  /** As large as one part of this sweep had to be: a tenth of those that are left would never come to an end. */
  #partSize = 0;
  #rest: Iterator<Swept>;

  /** @param sweepMs in which it looks at every connection once. */
  constructor(connections: Connections, sweepMs: number) {
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

  /** Ten parts reach all that were there at the first. Then it begins anew: there may always be newer ones ahead. */
  #part(): void {
    const now = performance.now();
    if (this.#partsLeft === 0) {
      this.#partsLeft = SWEEP_PARTS;
      this.#partSize = 0;
      this.#rest = this.#connections.values();
    }
    this.#partsLeft -= 1;
    this.#partSize = Math.max(this.#partSize, Math.ceil(this.#connections.size / SWEEP_PARTS));
    for (let left = this.#partSize; left > 0; left--) {
      const next = this.#rest.next();
      if (next.done === true) return;
      next.value.check(now);
    }
  }
}
