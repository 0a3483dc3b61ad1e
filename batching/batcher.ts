import type { BatchReport } from "../core/assignment.ts";
import type { Clock, Defer, Timer } from "../core/clock.ts";
import type { BatchWork } from "../core/construction.ts";
import { HandlerError, InvalidRequestError, QueueFullError } from "../core/error.ts";
import { MOST_BATCH_WAITING_ITEMS, MOST_RETRY_AFTER_SECONDS } from "../core/limits.ts";
import { BatchEntry, type BatchCaller } from "./batch-entry.ts";
import { countLengths, countRun, type BatchMetrics, type RunReason } from "./batch-metrics.ts";
import { runBatch, type BatchRunner } from "./batch-run.ts";
import { batch, isTooLate } from "./decide/batch.ts";
import { fit } from "./decide/fit.ts";
import { select, type Selection } from "./decide/select.ts";
import { Forecast } from "./forecast.ts";
import type { RunForecast } from "./run-forecast.ts";
import { RunningBatch } from "./running-batch.ts";
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

/** Idle for so long, or for as long as a run takes, a handler tries an item that is thought to come too late. */
const MOST_IDLE_MS = 1_000;

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
    /** Items are answered, or begin to be, long before their batch ends: its end says nothing of their being in time. */
    readonly isEarly?: boolean | undefined;
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
  readonly #running = new RunningBatch<BatchEntry<I, O, C>>((error) => this.#giveUp(error));
  #givenUp: Error | undefined;

  constructor(deps: BatcherDeps, handler: BatchHandler<I, O, C>) {
    this.#deps = deps;
    this.#handler = handler;
    this.#limits = handler;
  }

  /** Items that wait for a batch, and how much it has done. */
  get work(): BatchWork & { readonly waitingCount: number } {
    return { waitingCount: this.#waiting.size, ...this.#running.work(this.#deps.clock.now()) };
  }

  /** How it fares, as status shows it. */
  report(method: string): BatchReport {
    const { maxBatchSize } = this.#limits;
    return {
      method,
      maxBatchSize,
      waiting: this.#waiting.size,
      expectedRuns: this.#forecast.latest.expectedRuns(maxBatchSize),
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
      if (this.#givenUp !== undefined) throw this.#givenUp;
      if (this.#waiting.size >= MOST_BATCH_WAITING_ITEMS) throw queueFull(this.#handler, this.#limits, this.#forecast);
      const { name, traitsOf } = this.#handler;
      const { key = "", length, cost } = traitsOf?.(item, caller) ?? NO_TRAITS;
      checkSize("length", length);
      checkSize("cost", cost);
      const { maxCost = Number.POSITIVE_INFINITY } = this.#limits;
      if ((cost ?? length ?? 0) > maxCost) {
        throw new InvalidRequestError(
          `an item of ${name()} costs ${cost ?? length}, and a batch may cost ${maxCost} (maxCost)`,
        );
      }
      const arrivedAt = clock.now();
      const entry = new BatchEntry<I, O, C>({ item, caller, arrivedAt, key, length, cost, name, onResult, onError });
      if (this.#isHopeless(entry, this.#waiting.aheadOf(entry.priority), arrivedAt)) return;
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

  /** The batch that runs will never end. */
  #giveUp(error: Error): void {
    this.#givenUp = error;
    for (const entry of this.#waiting) {
      this.#waiting.delete(entry);
      entry.reject(error);
    }
    this.#deps.metrics?.waitingItems.set(this.#waiting.size);
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
    const runs = this.#runsOf(items);
    const decision = batch(
      {
        count: items.length,
        isFull: selection.isFull,
        hasOthers: this.#waiting.size > items.length,
        maxCount: this.#limits.maxBatchSize,
        expected: this.#forecast.expected(now),
        ...pauseBounds(selection, this.#limits, { forecast: this.#forecast, waiting: this.#waiting, now }),
        runMs: (count) => runs.runMs(workOf(selection, count)),
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
    this.#forecast.cut(items[0]?.key ?? "", items.length, this.#waiting.size);
    for (const entry of items) {
      this.#waiting.delete(entry);
      this.#deps.metrics?.waitSeconds.observe((now - entry.arrivedAt) / 1_000);
    }
    this.#state = "running";
    this.#running.begin(items, now, {
      endsAt: now + runs.deadlineMs(selection.work),
      bestMs: items.length * runs.bestMsEach(this.#limits.maxBatchSize),
    });
    this.#refuseHopeless(now);
    this.#deps.metrics?.waitingItems.set(this.#waiting.size);
    void this.#run(selection, decision.reason);
  }

  #runsOf(items: readonly { readonly key: string }[]): RunForecast {
    const [first] = items;
    return first === undefined ? this.#forecast.latest : this.#forecast.ofKey(first.key);
  }

  /**
   * What runs next: as many as get the most answers in time. Items that it would not answer in time are refused, unless the
   * handler has long been idle and nobody else wants it: then one is tried, for what was learned may be wrong by now.
   */
  #selectInTime(now: number): Selection<BatchEntry<I, O, C>> {
    for (;;) {
      const all = this.#select(Number.POSITIVE_INFINITY);
      const runs = this.#runsOf(all.items);
      const ms = (count: number): number => (this.#handler.isEarly === true ? 0 : runs.deadlineMs(workOf(all, count)));
      const deadlines = all.items.map(({ deadlineAt }) => deadlineAt);
      const count = fit(deadlines, ms, now);
      const selection = count < all.items.length ? this.#select(count) : all;
      const endsAt = now + ms(count);
      const late = selection.items.filter((entry) => isTooLate(entry, endsAt));
      if (late.length === 0) return selection;
      const isWanted = this.#waiting.size > late.length;
      const isLongIdle = now - this.#forecast.endedAt >= Math.min(ms(1), MOST_IDLE_MS);
      const tried = isWanted || !isLongIdle ? undefined : late.find(({ deadlineAt }) => deadlineAt > now);
      for (const entry of late) {
        if (entry === tried) continue;
        entry.expire(now, endsAt);
        this.#waiting.delete(entry);
      }
      if (tried !== undefined) return { items: [tried], work: workOf(selection, 1), isFull: true };
    }
  }

  #select(most: number): Selection<BatchEntry<I, O, C>> {
    const { maxBatchSize, maxCost = Number.POSITIVE_INFINITY } = this.#limits;
    const [first] = this.#waiting;
    if (first === undefined) return { items: [], work: 0, isFull: false };
    const runs = this.#forecast.ofKey(first.key);
    const isByItems = first.length === undefined && first.cost === undefined;
    const maxItems = Math.min(most, isByItems ? runs.sizeLimit(maxBatchSize) : maxBatchSize);
    return select(this.#waiting, { maxItems, maxCost }, first.length === undefined ? undefined : runs.lengthTimes());
  }

  /**
   * Whether not even the first batch after the one that runs can answer it in time, or after those that so many others before
   * it will fill. It fails then, and leaves its place to others.
   */
  #isHopeless(entry: BatchEntry<I, O, C>, aheadCount: number, now: number): boolean {
    if (this.#state !== "running" || this.#handler.isEarly === true) return entry.expire(now);
    const { maxBatchSize } = this.#limits;
    const runs = this.#forecast.ofKey(entry.key);
    const isByItems = entry.key === "" && entry.length === undefined && entry.cost === undefined;
    const aheadMs = isByItems ? Math.floor(aheadCount / maxBatchSize) * runs.deadlineMs(maxBatchSize) : 0;
    const ownMs = runs.deadlineMs(entry.cost ?? entry.length ?? 1);
    return entry.expire(now, Math.max(now, this.#running.endsAt) + aheadMs + ownMs);
  }

  #refuseHopeless(now: number): void {
    let aheadCount = 0;
    for (const entry of this.#waiting) {
      if (this.#isHopeless(entry, aheadCount, now)) this.#waiting.delete(entry);
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
          const runs = this.#runsOf(items);
          runs.ran(items.length, work, report.runMs);
          for (const expected of runs.expectedRuns(this.#limits.maxBatchSize)) {
            metrics?.expectedRunSeconds(expected.items).set(expected.runMs / 1_000);
          }
        }
        why = "bisect";
      },
    });
    const endedAt = clock.now();
    this.#forecast.ended(endedAt, items.length);
    this.#running.end(endedAt);
    this.#state = "idle";
    if (this.#waiting.size > 0) this.#becomeDue();
  }
}

type Known<E> = { readonly forecast: Forecast; readonly waiting: Iterable<E>; readonly now: number };

/** How long the first has waited while nothing ran, and to when the user, and everybody's deadline, let it wait. */
function pauseBounds<E extends { readonly key: string; readonly arrivedAt: number; readonly deadlineAt: number }>(
  selection: Selection<E>,
  { maxBatchSize, maxWaitMs = Number.POSITIVE_INFINITY }: BatchLimits,
  { forecast, waiting, now }: Known<E>,
): { readonly waitedMs: number; readonly pauseUntil: number } {
  const [first] = selection.items;
  const since = Math.max(first?.arrivedAt ?? now, forecast.endedAt);
  let until = since + maxWaitMs;
  const runMs = first === undefined ? 0 : forecast.ofKey(first.key).deadlineMs(workOf(selection, maxBatchSize));
  for (const { deadlineAt } of waiting) until = Math.min(until, deadlineAt - runMs);
  return { waitedMs: now - since, pauseUntil: until };
}

function queueFull(
  { name }: { readonly name: () => string },
  { maxBatchSize }: BatchLimits,
  forecast: Forecast,
): QueueFullError {
  const seconds = ((MOST_BATCH_WAITING_ITEMS / maxBatchSize) * forecast.latest.itemsMs(maxBatchSize)) / 1_000;
  const retryAfterSeconds = Math.max(1, Math.min(MOST_RETRY_AFTER_SECONDS, Math.ceil(seconds)));
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
  throw new HandlerError(`an item's ${what} must be a number of 0 or more, and was ${Number(value)}`);
}
