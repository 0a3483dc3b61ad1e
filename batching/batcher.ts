import type { BatchReport } from "../core/assignment.ts";
import type { Clock, Defer, Timer } from "../core/clock.ts";
import type { BatchWork } from "../core/construction.ts";
import { HandlerError, InvalidRequestError, QueueFullError } from "../core/error.ts";
import { MOST_BATCH_WAITING_ITEMS, MOST_RETRY_AFTER_SECONDS } from "../core/limits.ts";
import { BatchEntry, type BatchCaller } from "./batch-entry.ts";
import type { BatchHandler, BatchLimits, ItemTraits } from "./batch-handler.ts";
import { countLengths, countRun, type BatchMetrics, type RunReason } from "./batch-metrics.ts";
import { runBatch } from "./batch-run.ts";
import type { Selection } from "./decide/select.ts";
import { Forecast } from "./forecast.ts";
import { NextBatch } from "./next-batch.ts";
import { RunningBatch } from "./running-batch.ts";
import { WaitingItems } from "./waiting-items.ts";

/**
 * Turns many calls with one item each into few calls of a handler with many.
 *
 *   idle ──submit──▶ due ──end of turn──▶ running ──handler settles──▶ due (items wait) or idle
 *                   ▲ │                   │ ▲ └── one is ahead ──▶ running (that one)
 *                   └─┴─ pausing          └─┘ shortly before its end: one is handed over ahead
 *
 * A batch is cut when none runs: what arrives meanwhile is the next one. When idle, the cut is put off to the end of the
 * event loop's turn, so that requests that came in together run together; that costs microseconds. Right after a batch it
 * may be put off a little more, because others are about to come back (decide/batch.ts). Only a handler with a queue of
 * its own is given one batch more shortly before the one that runs is expected to end, so that it has no gap between them
 * (decide/ahead.ts). Which of the waiting items run together is decide/select.ts' to say.
 *
 * An item that is cancelled or expires before it is handed over never reaches the handler, nor does one that could not be
 * answered in time then, but for a trial of an idle handler's (next-batch.ts); one that is cancelled later is answered at
 * once and its result dropped. Batches are answered in their order. Whatever the handler does, the loop goes on.
 */

/** What a batcher runs on. */
export type BatcherDeps = {
  readonly clock: Clock;
  readonly defer: Defer;
  /** undefined: nothing is measured. */
  readonly metrics: BatchMetrics | undefined;
};

const NO_TRAITS: ItemTraits = {};

/** One batch method's queue and loop. `C` is handed through to the handler, one per item. */
export class Batcher<I, O, C extends BatchCaller> {
  readonly #deps: BatcherDeps;
  readonly #handler: BatchHandler<I, O, C>;
  readonly #waiting = new WaitingItems<BatchEntry<I, O, C>>();
  readonly #forecast = new Forecast();
  readonly #running = new RunningBatch<BatchEntry<I, O, C>>((error) => this.#giveUp(error));
  readonly #next: NextBatch<I, O, C>;
  #state: "idle" | "due" | "pausing" | "running" = "idle";
  /** Pausing: to its end. Running: to when the next batch may be handed over. */
  #timer: Timer | undefined;
  /** Until the batch that was handed over last has ended. */
  #lastRun: Promise<void> = Promise.resolve();
  #givenUp: Error | undefined;

  constructor(deps: BatcherDeps, handler: BatchHandler<I, O, C>) {
    this.#deps = deps;
    this.#handler = handler;
    this.#next = new NextBatch({ handler, waiting: this.#waiting, forecast: this.#forecast, running: this.#running });
  }

  /** Items that wait for a batch, and how much it has done. */
  get work(): BatchWork & { readonly waitingCount: number } {
    return { waitingCount: this.#waiting.size, ...this.#running.work(this.#deps.clock.now()) };
  }

  /** How it fares, as status shows it. */
  report(method: string): BatchReport {
    const { maxBatchSize } = this.#next.limits;
    return {
      method,
      maxBatchSize,
      waiting: this.#waiting.size,
      expectedRuns: this.#forecast.latest.expectedRuns(maxBatchSize),
    };
  }

  /** Limits from the next batch on. */
  configure(limits: BatchLimits): void {
    this.#next.limits = limits;
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
      if (this.#waiting.size >= MOST_BATCH_WAITING_ITEMS)
        throw queueFull(this.#handler, this.#next.limits, this.#forecast);
      const { name, traitsOf } = this.#handler;
      const { key = "", length, cost } = traitsOf?.(item, caller) ?? NO_TRAITS;
      checkSize("length", length);
      checkSize("cost", cost);
      const { maxCost = Number.POSITIVE_INFINITY } = this.#next.limits;
      if ((cost ?? length ?? 0) > maxCost) {
        throw new InvalidRequestError(
          `an item of ${name()} costs ${cost ?? length}, and a batch may cost ${maxCost} (maxCost)`,
        );
      }
      const arrivedAt = clock.now();
      const entry = new BatchEntry<I, O, C>({ item, caller, arrivedAt, key, length, cost, name, onResult, onError });
      if (this.#next.isHopeless(entry, this.#waiting.aheadOf(entry.priority), arrivedAt)) return;
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

  /** The batch that runs will never end, nor will one behind it begin. */
  #giveUp(error: Error): void {
    this.#givenUp = error;
    for (const entry of [...this.#running.aheadEntries, ...this.#waiting]) {
      this.#waiting.delete(entry);
      entry.reject(error);
    }
    this.#deps.metrics?.waitingItems.set(this.#waiting.size);
  }

  #becomeDue(): void {
    if (this.#state !== "idle" && this.#state !== "pausing") return;
    this.#timer?.cancel();
    this.#state = "due";
    this.#deps.defer(() => this.#cut());
  }

  #cut(): void {
    const now = this.#deps.clock.now();
    const selection = this.#next.select(now);
    const decision = this.#next.decide(selection, now);
    this.#deps.metrics?.waitingItems.set(this.#waiting.size);
    if (decision.kind === "idle") {
      this.#state = "idle";
      return;
    }
    if (decision.kind === "pause") {
      this.#state = "pausing";
      this.#timer = this.#deps.clock.after(decision.until - now, () => this.#becomeDue());
      return;
    }
    this.#state = "running";
    this.#handOver(selection, decision.reason, now);
    this.#lookAhead();
  }

  /** Decides once, shortly before the batch that runs is expected to end, whether the next one is handed over already. */
  #lookAhead(): void {
    const { aheadMs } = this.#running;
    if (this.#handler.hasQueue !== true || aheadMs === undefined) return;
    this.#timer = this.#deps.clock.after(aheadMs, () => {
      const now = this.#deps.clock.now();
      const selection = this.#next.selectAhead(now);
      if (selection === undefined) return;
      const decision = this.#next.decideAhead(selection, now);
      if (decision.kind === "handOver") this.#handOver(selection, "ahead", now);
    });
  }

  #handOver(selection: Selection<BatchEntry<I, O, C>>, reason: RunReason, now: number): void {
    const { items, work } = selection;
    const { metrics } = this.#deps;
    const runs = this.#next.runsOf(items);
    const beginsAt = this.#running.endsAt(now);
    this.#forecast.cut(items[0]?.key ?? "", items.length, this.#waiting.size);
    for (const entry of items) {
      this.#waiting.delete(entry);
      metrics?.waitSeconds.observe((beginsAt - entry.arrivedAt) / 1_000);
    }
    this.#running.handOver(items, now, {
      runMs: runs.runMs(work),
      deadlineMs: runs.deadlineMs(work),
      bestMs: items.length * runs.bestMsEach(this.#next.limits.maxBatchSize),
      aheadMs: runs.aheadMs(work),
    });
    this.#next.refuseHopeless(now);
    metrics?.waitingItems.set(this.#waiting.size);
    this.#lastRun = this.#run(selection, reason, this.#lastRun);
  }

  /** Never rejects: every outcome goes to the entries. */
  async #run(selection: Selection<BatchEntry<I, O, C>>, reason: RunReason, turn: Promise<void>): Promise<void> {
    const { clock, metrics } = this.#deps;
    const { items, work } = selection;
    countLengths(metrics, items);
    let why = reason;
    await runBatch(items, this.#handler, {
      clock,
      turn,
      onRun: (report) => {
        // One that was handed over ahead did not run before the one before it had; and one that failed may never have run.
        const runMs = report.hasFailed ? report.runMs : Math.min(report.runMs, this.#running.settled(clock.now()));
        countRun(metrics, { ...report, runMs }, why);
        // What failed says nothing of how long a batch takes that does not.
        if (why !== "bisect" && !report.hasFailed) {
          const runs = this.#next.runsOf(items);
          runs.ran(items.length, work, runMs);
          for (const expected of runs.expectedRuns(this.#next.limits.maxBatchSize)) {
            metrics?.expectedRunSeconds(expected.items).set(expected.runMs / 1_000);
          }
        }
        why = "bisect";
      },
    });
    this.#ended(items.length);
  }

  #ended(size: number): void {
    const now = this.#deps.clock.now();
    this.#timer?.cancel();
    this.#forecast.ended(now, size);
    this.#running.end(now);
    if (this.#running.isRunning) {
      this.#lookAhead();
      return;
    }
    this.#state = "idle";
    if (this.#waiting.size > 0) this.#becomeDue();
  }
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

/** @throws {HandlerError} when it is no number that something can be long, or cost. */
function checkSize(what: "length" | "cost", value: number | undefined): void {
  if (value === undefined || (Number.isFinite(value) && value >= 0)) return;
  throw new HandlerError(`an item's ${what} must be a number of 0 or more, and was ${Number(value)}`);
}
