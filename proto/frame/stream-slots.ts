/** Streams that may be open on one link at a time. */
const MOST_OPEN_STREAMS = 65_536;
/** Generations are 16 bits; number 0 is the connection itself, so they begin at 1. */
const GENERATIONS = 65_535;

/**
 * The open streams of a link by their number. A number is a place in an array and how often that place was used before,
 * so a late frame of a stream that is over finds nothing. (A Map's tables, replaced as streams come and go, would keep
 * each other alive; see `routing/deadline-sweep.ts`.)
 */
export class StreamSlots<T> {
  readonly #entries: (T | undefined)[] = [];
  readonly #numbers: number[] = [];
  #size = 0;

  /** Streams that are open. */
  get size(): number {
    return this.#size;
  }

  get(number: number): T | undefined {
    const slot = number % MOST_OPEN_STREAMS;
    return this.#numbers[slot] === number ? this.#entries[slot] : undefined;
  }

  /** Opens a stream. False when its place is taken. */
  open(number: number, entry: T): boolean {
    const slot = number % MOST_OPEN_STREAMS;
    if (this.#entries[slot] !== undefined) return false;
    for (let at = this.#entries.length; at <= slot; at++) {
      this.#entries.push(undefined);
      this.#numbers.push(0);
    }
    this.#entries[slot] = entry;
    this.#numbers[slot] = number;
    this.#size += 1;
    return true;
  }

  /** Closes a stream. False when it is not open. */
  close(number: number): boolean {
    if (this.get(number) === undefined) return false;
    this.#entries[number % MOST_OPEN_STREAMS] = undefined;
    this.#size -= 1;
    return true;
  }

  /** The open streams and their numbers; a copy, because ending one changes what is open. */
  all(): { readonly number: number; readonly entry: T }[] {
    const open: { number: number; entry: T }[] = [];
    for (const [slot, entry] of this.#entries.entries()) {
      if (entry !== undefined) open.push({ number: this.#numbers[slot] ?? 0, entry });
    }
    return open;
  }
}

/** Chooses the numbers of a link's streams: the lowest place that is free, in its next generation. */
export class StreamNumbers {
  readonly #generations: number[] = [];
  readonly #free: number[] = [];

  /** A number for a new stream; undefined while too many are open. */
  take(): number | undefined {
    let slot = this.#free.pop();
    if (slot === undefined) {
      if (this.#generations.length === MOST_OPEN_STREAMS) return undefined;
      slot = this.#generations.push(0) - 1;
    }
    const generation = ((this.#generations[slot] ?? 0) % GENERATIONS) + 1;
    this.#generations[slot] = generation;
    return generation * MOST_OPEN_STREAMS + slot;
  }

  /** The stream of this number is over. */
  giveBack(number: number): void {
    this.#free.push(number % MOST_OPEN_STREAMS);
  }
}
