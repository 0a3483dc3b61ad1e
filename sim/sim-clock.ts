import type { Clock, Timer } from "../core/clock.ts";

/**
 * Virtual time: a heap of callbacks ordered by instant, ties broken by the order they were asked for. Time only moves
 * when `step` is called, to the instant of the callback it runs. Nothing here waits for anything real.
 */

type Entry = {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;
  readonly owner: object | undefined;
};

/** 2023-11-14T22:13:20Z: any fixed instant does, a run must not depend on the day it is done. */
const WALL_ORIGIN_MS = 1_700_000_000_000;

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** The clock of the simulated world. Processes get one of their own that is based on it (`sim-process.ts`). */
export class SimClock implements Clock {
  readonly #heap: Entry[] = [];
  #now = 0;
  #order = 0;
  #steps = 0;

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return WALL_ORIGIN_MS + this.#now;
  }

  /** `owner`: whose timer it is, so that it can be counted. */
  after(delayMs: number, callback: () => void, owner?: object): Timer {
    const delay = Number.isFinite(delayMs) && delayMs > 0 ? delayMs : 0;
    const entry: Entry = { at: this.#now + delay, order: this.#order++, callback, owner };
    this.#push(entry);
    return {
      cancel: () => {
        entry.callback = undefined;
      },
    };
  }

  /** Callbacks run so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Callbacks of an owner that wait; looks at all there are. */
  countOf(owner: object): number {
    return this.#heap.reduce(
      (count, entry) => count + Number(entry.owner === owner && entry.callback !== undefined),
      0,
    );
  }

  /** Instant of the next callback; undefined when nothing is left to happen. */
  nextAt(): number | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return undefined;
      if (first.callback !== undefined) return first.at;
      this.#pop();
    }
  }

  /** Moves time to the next callback and runs it. False when there is none at or before `until`. */
  step(until = Number.POSITIVE_INFINITY): boolean {
    const at = this.nextAt();
    if (at === undefined || at > until) return false;
    const entry = this.#pop();
    const callback = entry?.callback;
    if (entry === undefined || callback === undefined) return false;
    entry.callback = undefined;
    this.#now = entry.at;
    this.#steps += 1;
    callback();
    return true;
  }

  /** Moves time forward over an interval in which nothing happens. */
  skipTo(instant: number): void {
    this.#now = Math.max(this.#now, instant);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, entry)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let least = heap[child];
      const right = heap[child + 1];
      if (least === undefined) break;
      if (right !== undefined && isBefore(right, least)) {
        child += 1;
        least = right;
      }
      if (isBefore(last, least)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** Captured before anything could replace it; only the barrier uses it. */
const realSetImmediate = globalThis.setImmediate;
/** A turn of the runtime's loop costs more than a step; this many share one. */
const STEPS_PER_TURN = 64;

/**
 * Calls `step` again and again until it answers false, and lets every microtask that a step started run before the
 * next, nested ones too: the runtime does so between any two of its immediate callbacks. Holds only while nothing in the
 * process does real input or output.
 */
export function runSteps(step: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const runOne = (): void => {
      if (isOver) return;
      try {
        isOver = !step();
      } catch (error) {
        isOver = true;
        reject(error);
        return;
      }
      if (isOver) resolve();
    };
    const runTurn = (): void => {
      if (isOver) return;
      for (let count = 0; count < STEPS_PER_TURN; count++) realSetImmediate(runOne);
      realSetImmediate(runTurn);
    };
    runTurn();
  });
}

/** Waits until every microtask that was started so far has run, nested ones too; see {@link runSteps}. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    realSetImmediate(resolve);
  });
}
