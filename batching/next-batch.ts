import type { BatchCaller, BatchEntry } from "./batch-entry.ts";
import type { BatchHandler, BatchLimits } from "./batch-handler.ts";
import { ahead, type AheadDecision, type AheadInput } from "./decide/ahead.ts";
import { batch, type BatchDecision, type Expected, isTooLate } from "./decide/batch.ts";
import { fit } from "./decide/fit.ts";
import { select, type Selection } from "./decide/select.ts";
import type { Forecast } from "./forecast.ts";
import type { RunForecast } from "./run-forecast.ts";
import type { RunningBatch } from "./running-batch.ts";
import type { WaitingItems } from "./waiting-items.ts";

/** Idle for so long, or for as long as a run takes, a handler tries an item that is thought to come too late. */
const MOST_IDLE_MS = 1_000;

/** What the next batch is made of, and what is known of it. */
export type NextBatchParts<I, O, C> = {
  readonly handler: BatchHandler<I, O, C>;
  readonly waiting: WaitingItems<BatchEntry<I, O, C>>;
  readonly forecast: Forecast;
  readonly running: RunningBatch<BatchEntry<I, O, C>>;
};

/**
 * Who of those that wait would run next, and whether they are to run at once. A batch begins when what is handed over has run:
 * now, if nothing is. Who could not be answered in time by any batch that begins then is refused.
 */
export class NextBatch<I, O, C extends BatchCaller> {
  /** Hold from the next batch on. */
  limits: BatchLimits;
  readonly #parts: NextBatchParts<I, O, C>;

  constructor(parts: NextBatchParts<I, O, C>) {
    this.#parts = parts;
    this.limits = parts.handler;
  }

  /** What is known of runs like one of these. */
  runsOf([first]: readonly { readonly key: string }[]): RunForecast {
    const { forecast } = this.#parts;
    return first === undefined ? forecast.latest : forecast.ofKey(first.key);
  }

  /** Whether an idle handler runs these now. */
  decide(selection: Selection<BatchEntry<I, O, C>>, now: number): BatchDecision {
    const { forecast } = this.#parts;
    const since = Math.max(selection.items[0]?.arrivedAt ?? now, forecast.endedAt);
    const expected = forecast.expected(now);
    return batch({ ...this.#input(selection, expected, since), waitedMs: now - since, gapMs: 0 }, now);
  }

  /** Whether a handler that runs a batch is given these to run after it. */
  decideAhead(selection: Selection<BatchEntry<I, O, C>>, now: number): AheadDecision {
    const { forecast, running } = this.#parts;
    const endsAt = running.endsAt(now);
    return ahead(this.#input(selection, forecast.expectedAfter(running.size), endsAt), endsAt, now);
  }

  /**
   * As many as get the most answers in time. Items that their batch would not answer in time are refused, unless the handler
   * has long been idle and nobody else wants it: then one is tried, for what was learned may be wrong by now.
   */
  select(now: number): Selection<BatchEntry<I, O, C>> {
    const { handler, waiting, forecast } = this.#parts;
    for (;;) {
      const all = this.#select(Number.POSITIVE_INFINITY);
      const runs = this.runsOf(all.items);
      const ms = (count: number): number => (handler.isEarly === true ? 0 : runs.deadlineMs(workOf(all, count)));
      const deadlines = all.items.map(({ deadlineAt }) => deadlineAt);
      const count = fit(deadlines, ms, now);
      const selection = count < all.items.length ? this.#select(count) : all;
      const endsAt = now + ms(count);
      const late = selection.items.filter((entry) => isTooLate(entry, endsAt));
      if (late.length === 0) return selection;
      const isWanted = waiting.size > late.length;
      const isLongIdle = now - forecast.endedAt >= Math.min(ms(1), MOST_IDLE_MS);
      const tried = isWanted || !isLongIdle ? undefined : late.find(({ deadlineAt }) => deadlineAt > now);
      for (const entry of late) {
        if (entry === tried) continue;
        entry.expire(now, endsAt);
        waiting.delete(entry);
      }
      if (tried !== undefined) return { items: [tried], work: workOf(selection, 1), isFull: true };
    }
  }

  /**
   * Who would run after what is handed over. undefined: somebody might come too late by that, which is better decided when it
   * is known when the present batch has ended; nobody is refused for what only may be.
   */
  selectAhead(now: number): Selection<BatchEntry<I, O, C>> | undefined {
    const { handler, running } = this.#parts;
    const selection = this.#select(Number.POSITIVE_INFINITY);
    if (handler.isEarly === true) return selection;
    const endsAt = running.freeAt(now) + this.runsOf(selection.items).deadlineMs(selection.work);
    return selection.items.some((entry) => isTooLate(entry, endsAt)) ? undefined : selection;
  }

  /**
   * Whether not even the first batch after those that are handed over can answer it in time, or after those that so many others
   * before it will fill. It fails then, and leaves its place to others.
   */
  isHopeless(entry: BatchEntry<I, O, C>, aheadCount: number, now: number): boolean {
    const { handler, forecast, running } = this.#parts;
    if (!running.isRunning || handler.isEarly === true) return entry.expire(now);
    const { maxBatchSize } = this.limits;
    const runs = forecast.ofKey(entry.key);
    const isByItems = entry.key === "" && entry.length === undefined && entry.cost === undefined;
    const aheadMs = isByItems ? Math.floor(aheadCount / maxBatchSize) * runs.deadlineMs(maxBatchSize) : 0;
    const ownMs = runs.deadlineMs(entry.length ?? entry.cost ?? 1);
    return entry.expire(now, running.freeAt(now) + aheadMs + ownMs);
  }

  /** Refuses all that are. */
  refuseHopeless(now: number): void {
    const { waiting } = this.#parts;
    let aheadCount = 0;
    for (const entry of waiting) {
      if (this.isHopeless(entry, aheadCount, now)) waiting.delete(entry);
      else aheadCount += 1;
    }
  }

  #select(most: number): Selection<BatchEntry<I, O, C>> {
    const { waiting, forecast } = this.#parts;
    const { maxBatchSize, maxCost = Number.POSITIVE_INFINITY } = this.limits;
    const [first] = waiting;
    if (first === undefined) return { items: [], work: 0, isFull: false };
    const runs = forecast.ofKey(first.key);
    const isByItems = first.length === undefined && first.cost === undefined;
    const maxItems = Math.min(most, isByItems ? runs.sizeLimit(maxBatchSize) : maxBatchSize);
    return select(waiting, { maxItems, maxCost }, first.length === undefined ? undefined : runs.lengthTimes());
  }

  /** @param since when they could have run, had nobody been waited for. */
  #input(selection: Selection<BatchEntry<I, O, C>>, expected: readonly Expected[], since: number): AheadInput {
    const { waiting } = this.#parts;
    const { maxBatchSize, maxWaitMs = Number.POSITIVE_INFINITY } = this.limits;
    const { items, isFull } = selection;
    const runs = this.runsOf(items);
    const mostMs = items.length === 0 ? 0 : runs.deadlineMs(workOf(selection, maxBatchSize));
    let pauseUntil = since + maxWaitMs;
    for (const { deadlineAt } of waiting) pauseUntil = Math.min(pauseUntil, deadlineAt - mostMs);
    return {
      count: items.length,
      isFull,
      hasOthers: waiting.size > items.length,
      maxCount: maxBatchSize,
      expected,
      pauseUntil,
      runMs: (count) => runs.runMs(workOf(selection, count)),
    };
  }
}

/** The work of so many items like those. */
function workOf({ items, work }: { readonly items: readonly unknown[]; readonly work: number }, count: number): number {
  return (work / Math.max(1, items.length)) * count;
}
