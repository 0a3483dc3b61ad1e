import type { Cancellation } from "../core/cancellation.ts";
import type { Clock, Defer } from "../core/clock.ts";
import { DeadlineExceededError, HandlerError, QueueFullError } from "../core/error.ts";
import { MOST_BATCH_WAITING_ITEMS } from "../core/limits.ts";
import type { Histogram, Metrics } from "../core/metric.ts";
import { batch, isExpired } from "./decide/batch.ts";

/**
 * Turns many calls with one item each into few calls of a handler with many.
 *
 *   idle ──submit──▶ due ──end of turn──▶ running ──handler settles──▶ due (items wait) or idle
 *
 * A batch is never cut while another runs: what arrives meanwhile is the next one. When idle, the cut is put off to the
 * end of the event loop's turn, so that requests that came in together run together; that costs microseconds. An item
 * that is cancelled or expires before its batch is cut never reaches the handler; one that is cancelled while it runs
 * is answered at once and its result dropped. Whatever the handler does, the loop goes on.
 */

/** What a batcher runs on. */
export type BatcherDeps = {
  readonly clock: Clock;
  readonly defer: Defer;
  /** undefined: nothing is measured. */
  readonly metrics: BatchMetrics | undefined;
};

/** The series of one batch method. */
export type BatchMetrics = {
  readonly items: Histogram;
  readonly waitSeconds: Histogram;
  readonly runSeconds: Histogram;
};

/** Looks up the series of one batch method. */
export function batchMetrics(metrics: Metrics, deployment: string, method: string): BatchMetrics {
  const labels = { deployment, method };
  return {
    items: metrics.histogram("thornback_batch_items", labels),
    waitSeconds: metrics.histogram("thornback_batch_wait_seconds", labels),
    runSeconds: metrics.histogram("thornback_batch_run_seconds", labels),
  };
}

/** What a batcher drives. */
export type BatchHandler<I, O, C> = {
  readonly maxBatchSize: number;
  /** How errors name it: `method classify`. */
  readonly name: () => string;
  /** Answers one entry per item, in order; an Error fails that item alone. May throw, which fails all. */
  readonly run: (items: I[], callers: C[]) => Promise<readonly (O | Error)[]> | readonly (O | Error)[];
};

/** Who waits for an item. */
export type BatchCaller = { readonly deadlineAt: number; readonly cancellation: Cancellation };

type Entry<I, O, C> = {
  readonly item: I;
  readonly caller: C;
  readonly deadlineAt: number;
  readonly arrivedAt: number;
  readonly resolve: (result: O) => void;
  readonly reject: (error: Error) => void;
  unsubscribe: () => void;
};

/** One batch method's queue and loop. `C` is handed through to the handler, one per item. */
export class Batcher<I, O, C extends BatchCaller> {
  readonly #deps: BatcherDeps;
  readonly #handler: BatchHandler<I, O, C>;
  /** Oldest first; a set, because cancelling takes items from its middle. */
  readonly #waiting = new Set<Entry<I, O, C>>();
  #state: "idle" | "due" | "running" = "idle";

  constructor(deps: BatcherDeps, handler: BatchHandler<I, O, C>) {
    this.#deps = deps;
    this.#handler = handler;
  }

  /** Items that wait for a batch. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves with the handler's result for `item`. Rejects with the handler's error for it, with the cancellation's
   * reason, with DeadlineExceededError when it was not begun in time, or with QueueFullError.
   */
  submit(item: I, caller: C): Promise<O> {
    if (this.#waiting.size >= MOST_BATCH_WAITING_ITEMS) {
      return Promise.reject(
        new QueueFullError(
          `${this.#handler.name()} has ${MOST_BATCH_WAITING_ITEMS} items waiting already; call it with fewer at once`,
        ),
      );
    }
    return new Promise<O>((resolve, reject) => {
      const { deadlineAt, cancellation } = caller;
      const arrivedAt = this.#deps.clock.now();
      const entry: Entry<I, O, C> = { item, caller, deadlineAt, arrivedAt, resolve, reject, unsubscribe: () => {} };
      this.#waiting.add(entry);
      entry.unsubscribe = cancellation.onCancel((reason) => {
        this.#waiting.delete(entry);
        reject(reason);
      });
      if (this.#waiting.has(entry)) this.#becomeDue();
    });
  }

  #becomeDue(): void {
    if (this.#state !== "idle") return;
    this.#state = "due";
    this.#deps.defer(() => this.#cut());
  }

  #cut(): void {
    const now = this.#deps.clock.now();
    this.#dropExpired(now);
    const decision = batch({ waitingCount: this.#waiting.size, maxBatchSize: this.#handler.maxBatchSize });
    if (decision.kind === "idle") {
      this.#state = "idle";
      return;
    }
    const entries: Entry<I, O, C>[] = [];
    for (const entry of this.#waiting) {
      if (entries.length === decision.count) break;
      this.#waiting.delete(entry);
      entries.push(entry);
      this.#deps.metrics?.waitSeconds.observe((now - entry.arrivedAt) / 1_000);
    }
    this.#state = "running";
    void this.#run(entries, now);
  }

  #dropExpired(now: number): void {
    for (const entry of this.#waiting) {
      if (!isExpired(entry, now)) continue;
      this.#waiting.delete(entry);
      entry.unsubscribe();
      entry.reject(
        new DeadlineExceededError(
          `the deadline passed while the request waited for a batch of ${this.#handler.name()}`,
        ),
      );
    }
  }

  /** Never rejects: every outcome goes to the entries. */
  async #run(entries: readonly Entry<I, O, C>[], startedAt: number): Promise<void> {
    const { clock, metrics } = this.#deps;
    metrics?.items.observe(entries.length);
    try {
      const results = await this.#handler.run(
        entries.map((entry) => entry.item),
        entries.map((entry) => entry.caller),
      );
      this.#settle(entries, results);
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      for (const entry of entries) entry.reject(error);
    } finally {
      for (const entry of entries) entry.unsubscribe();
      metrics?.runSeconds.observe((clock.now() - startedAt) / 1_000);
      this.#state = "idle";
      if (this.#waiting.size > 0) this.#becomeDue();
    }
  }

  #settle(entries: readonly Entry<I, O, C>[], results: readonly (O | Error)[]): void {
    const expected = entries.length;
    if (!Array.isArray(results) || results.length !== expected) {
      const got = Array.isArray(results) ? `an array of ${results.length}` : describe(results);
      throw new HandlerError(
        `the batch handler of ${this.#handler.name()} was given ${expected} items and returned ${got}; ` +
          `return an array of ${expected}, in the order of the items, with an Error where one failed`,
      );
    }
    for (const [at, entry] of entries.entries()) {
      const result = results[at] as O | Error;
      if (result instanceof Error) entry.reject(result);
      else entry.resolve(result);
    }
  }
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return `a ${value.constructor?.name ?? "object"}`;
}
