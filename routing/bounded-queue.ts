import { MOST_PRIORITY } from "../core/limits.ts";

/** One waiting value, and the handle by which it is removed or put back. */
export class QueueEntry<T> {
  readonly value: T;
  /** Order of arrival; kept when the entry leaves and returns. */
  readonly arrival: number;
  /** Which of the queue's levels it belongs to; 0 is the lowest. */
  readonly level: number;
  /** Owned by the queue. */
  previous: QueueEntry<T> | undefined = undefined;
  /** Owned by the queue. */
  next: QueueEntry<T> | undefined = undefined;
  /** Whether it is in the queue now. Owned by the queue. */
  isQueued = false;

  constructor(value: T, arrival: number, level: number) {
    this.value = value;
    this.arrival = arrival;
    this.level = level;
  }
}

/** What waits with one priority, first in, first out. */
type Level<T> = { first: QueueEntry<T> | undefined; last: QueueEntry<T> | undefined; size: number };

const LEVEL_COUNT = 2 * MOST_PRIORITY + 1;

/**
 * Higher priorities first, and within one of them first in, first out; with a limit on how many may wait, removal by
 * handle in constant time, and return of an entry to its place in the order of arrival.
 */
export class BoundedQueue<T> {
  /** Values that may wait; lowering it drops nothing that waits already. */
  limit: number;
  readonly #levels: readonly Level<T>[];
  /** Bit `n` is set while something waits in level `n`: 21 levels fit, and the highest is found without a loop. */
  #waiting = 0;
  #size = 0;
  #arrivals = 0;

  constructor(limit: number) {
    this.limit = limit;
    this.#levels = Array.from({ length: LEVEL_COUNT }, () => ({ first: undefined, last: undefined, size: 0 }));
  }

  /** Values that wait now. */
  get size(): number {
    return this.#size;
  }

  /** The entry whose turn it is; it stays where it is. */
  get first(): QueueEntry<T> | undefined {
    return this.#waiting === 0 ? undefined : this.#levels[highest(this.#waiting)]?.first;
  }

  /** The newest entry of the lowest priority; it stays where it is. */
  get newest(): QueueEntry<T> | undefined {
    return this.#waiting === 0 ? undefined : this.#levels[lowest(this.#waiting)]?.last;
  }

  /** What waits, in the order of its turns. */
  all(): readonly T[] {
    const values: T[] = [];
    for (let level = LEVEL_COUNT - 1; level >= 0; level--)
      for (let entry = this.#levels[level]?.first; entry !== undefined; entry = entry.next) values.push(entry.value);
    return values;
  }

  /** How many that wait now leave before one that comes now with this priority. */
  aheadOf(priority: number): number {
    let count = 0;
    for (let level = levelOf(priority); level < LEVEL_COUNT; level++) count += this.#levels[level]?.size ?? 0;
    return count;
  }

  /** Whether something of a lower priority waits. */
  hasBelow(priority: number): boolean {
    return this.#waiting !== 0 && lowest(this.#waiting) < levelOf(priority);
  }

  /** A place in the order of arrival for a value that need not wait now, but may be put back later. */
  arrive(value: T, priority: number): QueueEntry<T> {
    this.#arrivals += 1;
    return new QueueEntry(value, this.#arrivals, levelOf(priority));
  }

  /** Lets a new entry wait. False when as many wait already as may. */
  push(entry: QueueEntry<T>): boolean {
    if (this.#size >= this.limit) return false;
    this.putBack(entry);
    return true;
  }

  /**
   * Lets an entry wait in the stead of the newest of the lowest priority, which is taken out and given back. Undefined,
   * and nothing done, unless that one's priority is lower.
   */
  pushOut(entry: QueueEntry<T>): QueueEntry<T> | undefined {
    const victim = this.newest;
    if (victim === undefined || victim.level >= entry.level) return undefined;
    this.remove(victim);
    this.putBack(entry);
    return victim;
  }

  /**
   * Puts an entry that had left back to its place. It is never refused: it was admitted when it came, and at most as
   * many can return as had left.
   */
  putBack(entry: QueueEntry<T>): void {
    const level = this.#levels[entry.level];
    if (entry.isQueued || level === undefined) return;
    // A new one belongs at the end. One that returns had been at the front, and so belongs near it.
    let before: QueueEntry<T> | undefined;
    if (level.last !== undefined && level.last.arrival > entry.arrival) {
      before = level.first;
      while (before !== undefined && before.arrival < entry.arrival) before = before.next;
    }
    const after = before === undefined ? level.last : before.previous;
    entry.previous = after;
    entry.next = before;
    entry.isQueued = true;
    if (after === undefined) level.first = entry;
    else after.next = entry;
    if (before === undefined) level.last = entry;
    else before.previous = entry;
    level.size += 1;
    this.#size += 1;
    this.#waiting |= 1 << entry.level;
  }

  /** Takes the entry whose turn it is. */
  shift(): QueueEntry<T> | undefined {
    const entry = this.first;
    if (entry !== undefined) this.remove(entry);
    return entry;
  }

  /** Takes the newest entry of the lowest priority. */
  takeNewest(): QueueEntry<T> | undefined {
    const entry = this.newest;
    if (entry !== undefined) this.remove(entry);
    return entry;
  }

  /** Takes an entry out, wherever it stands. False when it does not wait. */
  remove(entry: QueueEntry<T>): boolean {
    const level = this.#levels[entry.level];
    if (!entry.isQueued || level === undefined) return false;
    const { previous, next } = entry;
    if (previous === undefined) level.first = next;
    else previous.next = next;
    if (next === undefined) level.last = previous;
    else next.previous = previous;
    entry.previous = undefined;
    entry.next = undefined;
    entry.isQueued = false;
    level.size -= 1;
    this.#size -= 1;
    if (level.size === 0) this.#waiting &= ~(1 << entry.level);
    return true;
  }
}

function levelOf(priority: number): number {
  const whole = Math.round(priority) || 0;
  return Math.max(-MOST_PRIORITY, Math.min(MOST_PRIORITY, whole)) + MOST_PRIORITY;
}

function highest(levels: number): number {
  return 31 - Math.clz32(levels);
}

function lowest(levels: number): number {
  return 31 - Math.clz32(levels & -levels);
}
