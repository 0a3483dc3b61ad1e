/** One waiting value, and the handle by which it is removed or put back. */
export class QueueEntry<T> {
  readonly value: T;
  /** Order of arrival; kept when the entry leaves and returns. */
  readonly arrival: number;
  /** Owned by the queue. */
  previous: QueueEntry<T> | undefined = undefined;
  /** Owned by the queue. */
  next: QueueEntry<T> | undefined = undefined;
  /** Whether it is in the queue now. Owned by the queue. */
  isQueued = false;

  constructor(value: T, arrival: number) {
    this.value = value;
    this.arrival = arrival;
  }
}

/**
 * First in, first out, with a limit on how many may wait, removal by handle in constant time, and return of an entry to
 * its place in the order of arrival.
 */
export class BoundedQueue<T> {
  /** Values that may wait; lowering it drops nothing that waits already. */
  limit: number;
  #first: QueueEntry<T> | undefined;
  #last: QueueEntry<T> | undefined;
  #size = 0;
  #arrivals = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Values that wait now. */
  get size(): number {
    return this.#size;
  }

  /** The entry that has waited longest; it stays where it is. */
  get first(): QueueEntry<T> | undefined {
    return this.#first;
  }

  /** A place in the order of arrival for a value that need not wait now, but may be put back later. */
  arrive(value: T): QueueEntry<T> {
    this.#arrivals += 1;
    return new QueueEntry(value, this.#arrivals);
  }

  /** Lets a new entry wait. False when as many wait already as may. */
  push(entry: QueueEntry<T>): boolean {
    if (this.#size >= this.limit) return false;
    this.putBack(entry);
    return true;
  }

  /**
   * Puts an entry that had left back to its place. It is never refused: it was admitted when it came, and at most as
   * many can return as had left.
   */
  putBack(entry: QueueEntry<T>): void {
    if (entry.isQueued) return;
    let after = this.#last;
    while (after !== undefined && after.arrival > entry.arrival) after = after.previous;
    const before = after === undefined ? this.#first : after.next;
    entry.previous = after;
    entry.next = before;
    entry.isQueued = true;
    if (after === undefined) this.#first = entry;
    else after.next = entry;
    if (before === undefined) this.#last = entry;
    else before.previous = entry;
    this.#size += 1;
  }

  /** Takes the entry that has waited longest. */
  shift(): QueueEntry<T> | undefined {
    const entry = this.#first;
    if (entry !== undefined) this.remove(entry);
    return entry;
  }

  /** Takes an entry out, wherever it stands. False when it does not wait. */
  remove(entry: QueueEntry<T>): boolean {
    if (!entry.isQueued) return false;
    const { previous, next } = entry;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    entry.previous = undefined;
    entry.next = undefined;
    entry.isQueued = false;
    this.#size -= 1;
    return true;
  }
}
