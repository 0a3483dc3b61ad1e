import type { BatchReport } from "../core/assignment.ts";
import type { Clock, Defer, Timer } from "../core/clock.ts";
import { HandlerError, QueueFullError } from "../core/error.ts";
import { MOST_BATCH_WAITING_ITEMS } from "../core/limits.ts";
import { BatchEntry, type BatchCaller } from "./batch-entry.ts";
import { countLengths, countRun, type BatchMetrics, type RunReason } from "./batch-metrics.ts";
import { runBatch, type BatchRunner } from "./batch-run.ts";
import { batch } from "./decide/batch.ts";
import { select, type Selection } from "./decide/select.ts";
import { Forecast } from "./forecast.ts";
import { WaitingItems } from "./waiting-items.ts";

/**
 * Turns many calls with one item each into few calls of a handler with many.
 *
 *   idle ──submit──▶ due ──end of turn──▶ running ──handler settles──▶ due (items wait) or idle
 *                   ▲ │
 *                   └─┴─ pausing: others are about to come back
 *
 * A batch is never cut while another runs: what arrives meanwhile is the next one. When idle, the cut is put off to the
 * end of the event loop's turn, so that requests that came in together run together; that costs microseconds. Right after
 * a batch it may be put off a little more (decide/batch.ts). Which of the waiting items run together is decide/select.ts'
 * to say. An item that is cancelled before its batch is cut, or could not be answered in time by it, never reaches the
 * handler; one that is cancelled while it runs is answered at once and its result dropped. Whatever the handler does, the
 * loop goes on.
 */

/** What a batcher runs on. */
export type BatcherDeps = {
  readonly clock: Clock;
  readonly defer: Defer;
  /** undefined: nothing is measured. */
  readonly metrics: BatchMetrics | undefined;
};

/** What a batch may be; may change while it is used. */
export type BatchLimits = {
  readonly maxBatchSize: number;
  /** Most that an item waits while nothing runs, in milliseconds. Default: as long as it pays. */
  readonly maxWaitMs?: number | undefined;
  /** Most that the items of a batch may cost together. Default: no limit. */
  readonly maxCost?: number | undefined;
};

/** What is to be known of an item before it runs. */
export type ItemTraits = {
  /** Items of different keys never run together. */
  readonly key?: string | undefined;
  /** Items are padded to the longest of their batch. */
  readonly length?: number | undefined;
  /** What `maxCost` limits; default: padded lengths, without lengths 1 each. */
  readonly cost?: number | undefined;
};

/** What a batcher drives. */
export type BatchHandler<I, O, C> = BatchRunner<I, O, C> &
  BatchLimits & {
    /** Asked once per item. May throw, which fails the item. Default: no item differs from another. */
    readonly traitsOf?: ((item: I, caller: C) => ItemTraits) | undefined;
  };

const NO_TRAITS: ItemTraits = {};

/** One batch method's queue and loop. `C` is handed through to the handler, one per item. */
export class Batcher<I, O, C extends BatchCaller> {
  readonly #deps: BatcherDeps;
  readonly #handler: BatchHandler<I, O, C>;
  readonly #waiting = new WaitingItems<BatchEntry<I, O, C>>();
  readonly #forecast = new Forecast();
  #limits: BatchLimits;
  #state: "idle" | "due" | "pausing" | "running" = "idle";
  #pauseEnd: Timer | undefined;
  /** When the batch that runs is expected to end. */
  #runEndsAt = Number.NEGATIVE_INFINITY;

  constructor(deps: BatcherDeps, handler: BatchHandler<I, O, C>) {
    this.#deps = deps;
    this.#handler = handler;
    this.#limits = handler;
  }

  /** Items that wait for a batch. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** How it fares, as status shows it. */
  report(method: string): BatchReport {
    const { maxBatchSize } = this.#limits;
    return {
      method,
      maxBatchSize,
      waiting: this.#waiting.size,
      expectedRuns: this.#forecast.expectedRuns(maxBatchSize),
    };
  }

  /** Limits from the next batch on. */
  configure(limits: BatchLimits): void {
    this.#limits = limits;
    if (this.#state === "pausing") this.#becomeDue();
  }

  /**
   * Resolves with the handler's result for `item`. Rejects with the handler's error for it, with the cancellation's
   * reason, with DeadlineExceededError when it was not begun in time, or with QueueFullError.
   */
  submit(item: I, caller: C): Promise<O> {
    return new Promise<O>((onResult, onError) => {
      const { clock, metrics } = this.#deps;
      if (this.#waiting.size >= MOST_BATCH_WAITING_ITEMS) throw queueFull(this.#handler, this.#limits, this.#forecast);
      const { name, traitsOf } = this.#handler;
      const { key = "", length, cost } = traitsOf?.(item, caller) ?? NO_TRAITS;
      checkSize("length", length);
      checkSize("cost", cost);
      const { maxCost = Number.POSITIVE_INFINITY } = this.#limits;
      if ((cost ?? length ?? 0) > maxCost) {
        throw new HandlerError(
          `an item of ${name()} costs ${cost ?? length}, and a batch may cost ${maxCost} (maxCost)`,
        );
      }
      const arrivedAt = clock.now();
      const entry = new BatchEntry<I, O, C>({ item, caller, arrivedAt, key, length, cost, name, onResult, onError });
      if (entry.expire(arrivedAt, this.#soonestEnd(this.#waiting.aheadOf(entry.priority), arrivedAt))) return;
      this.#waiting.add(entry);
      this.#forecast.arrived(arrivedAt);
      entry.watch(caller.cancellation, () => {
        this.#waiting.delete(entry);
        metrics?.waitingItems.set(this.#waiting.size);
      });
      if (entry.hasEnded) return;
      metrics?.waitingItems.set(this.#waiting.size);
      this.#becomeDue();
    });
  }

  #becomeDue(): void {
    if (this.#state !== "idle" && this.#state !== "pausing") return;
    this.#pauseEnd?.cancel();
    this.#pauseEnd = undefined;
    this.#state = "due";
    this.#deps.defer(() => this.#cut());
  }

  #cut(): void {
    const now = this.#deps.clock.now();
    const selection = this.#selectInTime(now);
    const { items } = selection;
    const decision = batch(
      {
        count: items.length,
        isFull: selection.isFull,
        hasOthers: this.#waiting.size > items.length,
        maxCount: this.#limits.maxBatchSize,
        expected: this.#forecast.expected(now),
        ...pauseBounds(selection, this.#limits, { forecast: this.#forecast, waiting: this.#waiting, now }),
        runMs: (count) => this.#forecast.runMs(workOf(selection, count)) ?? 0,
      },
      now,
    );
    this.#deps.metrics?.waitingItems.set(this.#waiting.size);
    if (decision.kind === "idle") {
      this.#state = "idle";
      return;
    }
    if (decision.kind === "pause") {
      this.#state = "pausing";
      this.#pauseEnd = this.#deps.clock.after(decision.until - now, () => this.#becomeDue());
      return;
    }
    this.#forecast.cut(items.length, this.#waiting.size);
    for (const entry of items) {
      this.#waiting.delete(entry);
      this.#deps.metrics?.waitSeconds.observe((now - entry.arrivedAt) / 1_000);
    }
    this.#state = "running";
    this.#runEndsAt = now + this.#forecast.itemsDeadlineMs(items.length, now);
    this.#refuseHopeless(now);
    this.#deps.metrics?.waitingItems.set(this.#waiting.size);
    void this.#run(selection, decision.reason);
  }

  /** What runs next; items that a batch cut now would not answer in time are refused instead. */
  #selectInTime(now: number): Selection<BatchEntry<I, O, C>> {
    for (;;) {
      const selection = this.#select();
      const endsAt = now + this.#forecast.deadlineMs(selection.work, now);
      let hasDropped = false;
      for (const entry of this.#waiting) {
        if (!entry.expire(now, endsAt)) continue;
        this.#waiting.delete(entry);
        hasDropped = true;
      }
      if (!hasDropped) return selection;
    }
  }

  #select(): Selection<BatchEntry<I, O, C>> {
    const { maxBatchSize, maxCost = Number.POSITIVE_INFINITY } = this.#limits;
    const [first] = this.#waiting;
    const isByItems = first?.length === undefined && first?.cost === undefined;
    const maxItems = isByItems ? this.#forecast.sizeLimit(maxBatchSize) : maxBatchSize;
    const times = first?.length === undefined ? undefined : this.#forecast.lengthTimes();
    return select(this.#waiting, { maxItems, maxCost }, times);
  }

  /** When a batch would end, at the soonest, that an item with so many others before it is in. */
  #soonestEnd(aheadCount: number, now: number): number {
    const { maxBatchSize } = this.#limits;
    const beginsAt = this.#state === "running" ? Math.max(now, this.#runEndsAt) : now;
    const batchesAhead = Math.floor(aheadCount / maxBatchSize);
    const aheadMs = batchesAhead === 0 ? 0 : batchesAhead * this.#forecast.itemsDeadlineMs(maxBatchSize, now);
    return beginsAt + aheadMs + this.#forecast.itemsDeadlineMs(1, now);
  }

  /** Items that even the batches after the one that begins now cannot answer in time leave their places to others now. */
  #refuseHopeless(now: number): void {
    let aheadCount = 0;
    for (const entry of this.#waiting) {
      if (entry.expire(now, this.#soonestEnd(aheadCount, now))) this.#waiting.delete(entry);
      else aheadCount += 1;
    }
  }

  /** Never rejects: every outcome goes to the entries. */
  async #run(selection: Selection<BatchEntry<I, O, C>>, reason: RunReason): Promise<void> {
    const { clock, metrics } = this.#deps;
    const { items, work } = selection;
    countLengths(metrics, items);
    let why = reason;
    await runBatch(items, this.#handler, {
      clock,
      onRun: (report) => {
        countRun(metrics, report, why);
        // What failed says nothing of how long a batch takes that does not.
        if (why !== "bisect" && !report.hasFailed) {
          this.#forecast.ran(items.length, work, report.runMs);
          const octave = 2 ** Math.floor(Math.log2(items.length));
          const expectedMs = this.#forecast.runMs(workOf(selection, octave)) ?? 0;
          metrics?.expectedRunSeconds(octave).set(expectedMs / 1_000);
        }
        why = "bisect";
      },
    });
    this.#forecast.ended(clock.now(), items.length);
    this.#state = "idle";
    if (this.#waiting.size > 0) this.#becomeDue();
  }
}

type Known<E> = { readonly forecast: Forecast; readonly waiting: Iterable<E>; readonly now: number };

/** How long the first has waited while nothing ran, and to when the user, and everybody's deadline, let it wait. */
function pauseBounds<E extends { readonly arrivedAt: number; readonly deadlineAt: number }>(
  selection: Selection<E>,
  { maxBatchSize, maxWaitMs = Number.POSITIVE_INFINITY }: BatchLimits,
  { forecast, waiting, now }: Known<E>,
): { readonly waitedMs: number; readonly pauseUntil: number } {
  const [first] = selection.items;
  const since = Math.max(first?.arrivedAt ?? now, forecast.endedAt);
  let until = since + maxWaitMs;
  const runMs = forecast.deadlineMs(workOf(selection, maxBatchSize), now);
  for (const { deadlineAt } of waiting) until = Math.min(until, deadlineAt - runMs);
  return { waitedMs: now - since, pauseUntil: until };
}

function queueFull(
  { name }: { readonly name: () => string },
  { maxBatchSize }: BatchLimits,
  forecast: Forecast,
): QueueFullError {
  const batchMs = forecast.runMs(maxBatchSize) ?? 1_000;
  const retryAfterSeconds = Math.ceil(((MOST_BATCH_WAITING_ITEMS / maxBatchSize) * batchMs) / 1_000);
  return new QueueFullError(
    `${name()} has ${MOST_BATCH_WAITING_ITEMS} items waiting already; call it with fewer at once`,
    { details: { retryAfterSeconds } },
  );
}

/** The work of so many items like those. */
function workOf({ items, work }: { readonly items: readonly unknown[]; readonly work: number }, count: number): number {
  return (work / Math.max(1, items.length)) * count;
}

/** @throws {HandlerError} when it is no number that something can be long, or cost. */
function checkSize(what: "length" | "cost", value: number | undefined): void {
  if (value === undefined || (Number.isFinite(value) && value >= 0)) return;
  throw new HandlerError(`an item's ${what} must be a number of 0 or more, and was ${value}`);
}
