import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { BatchCaller } from "../../batching/batch-entry.ts";
import { Batcher } from "../../batching/batcher.ts";
import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError, DeadlineExceededError } from "../../core/error.ts";
import { ManualClock } from "../fake/manual-clock.ts";

const HISTORIES = 10_000;

type Item = {
  readonly id: number;
  readonly priority: number;
  readonly key: string;
  readonly size: number;
  readonly deadlineAt: number;
  readonly cancellation: Cancellation;
  runCount: number;
  /** The number of the batch in which it ran first. */
  batch: number;
  outcome: "none" | "result" | "error" | "late" | "cancelled";
};

type Run = {
  readonly items: readonly Item[];
  readonly isAgain: boolean;
  end(how: "results" | "oneError" | "throw" | "short"): void;
};

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      priority: fc.integer({ min: -1, max: 1 }),
      key: fc.constantFrom("a", "b"),
      size: fc.integer({ min: 1, max: 6 }),
      deadlineMs: fc.constantFrom(1, 5, 20, Number.POSITIVE_INFINITY),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 12 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      how: fc.constantFrom(
        "results" as const,
        "results" as const,
        "oneError" as const,
        "throw" as const,
        "short" as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refuse" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), at: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("configure" as const), size: fc.integer({ min: 1, max: 6 }) }),
  },
);

const setting = fc.record({
  sizes: fc.constantFrom("none" as const, "lengths" as const, "costs" as const, "both" as const),
  maxCost: fc.integer({ min: 6, max: 20 }),
  maxBatchSize: fc.integer({ min: 1, max: 6 }),
  isPure: fc.boolean(),
  hasQueue: fc.boolean(),
});

type Setting = {
  sizes: "none" | "lengths" | "costs" | "both";
  maxCost: number;
  maxBatchSize: number;
  isPure: boolean;
  hasQueue: boolean;
};

/** A batcher on a manual clock, whose runs end when the history says so; it checks every run as it begins. */
class World {
  readonly clock = new ManualClock();
  readonly items: Item[] = [];
  readonly #setting: Setting;
  readonly #batcher: Batcher<Item, number, BatchCaller>;
  #maxBatchSize: number;
  /** Handed over, in the order in which they end. */
  readonly #runs: Run[] = [];
  #batchCount = 0;
  /** Batches that were handed over while another ran. */
  aheadCount = 0;
  #failed = new Set<Item>();
  #deferred: (() => void)[] = [];
  #begun: Item[] = [];
  /** What a run broke: thrown from a handler it would only fail the batch. */
  #broken: unknown;

  constructor(given: Setting) {
    this.#setting = given;
    this.#maxBatchSize = given.maxBatchSize;
    this.#batcher = new Batcher(
      { clock: this.clock, defer: (callback) => void this.#deferred.push(callback), metrics: undefined },
      {
        ...this.#limits(),
        isPure: given.isPure,
        hasQueue: given.hasQueue,
        name: () => "the handler",
        traitsOf: ({ key, size }) => ({
          key,
          length: this.#hasLengths ? size : undefined,
          cost: given.sizes === "costs" || given.sizes === "both" ? size : undefined,
        }),
        run: (items) => this.#begin(items),
      },
    );
  }

  submit({ priority, key, size, deadlineMs }: Pick<Item, "priority" | "key" | "size"> & { deadlineMs: number }): void {
    const deadlineAt = this.clock.now() + deadlineMs;
    const cancellation = new Cancellation();
    const id = this.items.length;
    const item: Item = { id, priority, key, size, deadlineAt, cancellation, runCount: 0, batch: 0, outcome: "none" };
    this.items.push(item);
    const end = (outcome: Item["outcome"]): void => {
      assert.equal(item.outcome, "none", `item ${id} has two outcomes`);
      item.outcome = outcome;
      if (item.batch > 0 && (outcome === "result" || outcome === "error")) this.#checkTurn(item);
    };
    this.#batcher.submit(item, item).then(
      (result) => {
        assert.equal(result, id, "somebody else's result");
        end("result");
      },
      (error: unknown) => {
        const isLate = error instanceof DeadlineExceededError;
        end(isLate ? "late" : error instanceof CancelledError ? "cancelled" : "error");
      },
    );
  }

  cancel(at: number): void {
    this.items[at % Math.max(1, this.items.length)]?.cancellation.cancel(new CancelledError("gone"));
  }

  configure(size: number): void {
    this.#maxBatchSize = size;
    this.#batcher.configure(this.#limits());
  }

  end(how: Parameters<Run["end"]>[0]): void {
    this.#runs.shift()?.end(how);
  }

  /** The handler will not even begin what it was given last. */
  refuse(): void {
    this.#runs.pop()?.end("throw");
  }

  /** A run of each key takes 4 ms, as far as anybody can know. */
  async teach(): Promise<void> {
    for (const key of ["a", "b"]) {
      this.submit({ priority: 0, key, size: 1, deadlineMs: Number.POSITIVE_INFINITY });
      await this.settle();
      this.clock.advance(4);
      this.end("results");
      await this.settle();
    }
  }

  /** Until nothing happens any more by itself. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 12; turn++) {
      await Promise.resolve();
      const due = this.#deferred;
      this.#deferred = [];
      for (const callback of due) callback();
    }
  }

  async finish(): Promise<void> {
    for (let turn = 0; turn < 200 && this.items.some(({ outcome }) => outcome === "none"); turn++) {
      this.end("results");
      this.clock.advance(1);
      await this.settle();
    }
    if (this.#broken !== undefined) throw this.#broken;
    for (const item of this.items) assert.notEqual(item.outcome, "none", `item ${item.id} was lost`);
    assert.equal(this.#batcher.work.waitingCount, 0);
    for (const { outcome, runCount } of this.items) {
      if (outcome === "late")
        assert.ok(runCount === 0 || this.#setting.isPure, "an item was computed and then refused");
    }
  }

  get #hasLengths(): boolean {
    return this.#setting.sizes === "lengths" || this.#setting.sizes === "both";
  }

  #limits(): { maxBatchSize: number; maxCost: number } {
    const { sizes, maxCost } = this.#setting;
    return { maxBatchSize: this.#maxBatchSize, maxCost: sizes === "none" ? Number.POSITIVE_INFINITY : maxCost };
  }

  #begin(items: readonly Item[]): Promise<(number | Error)[]> {
    try {
      return this.#beginChecked(items);
    } catch (error) {
      this.#broken ??= error;
      throw error;
    }
  }

  #beginChecked(items: readonly Item[]): Promise<(number | Error)[]> {
    const { hasQueue } = this.#setting;
    assert.ok(
      this.#runs.length < (hasQueue ? 2 : 1),
      `a batch was handed over while the handler had ${this.#runs.length}`,
    );
    const isAgain = items.some((item) => this.#failed.has(item));
    if (this.#runs.length > 0 && !isAgain) this.aheadCount += 1;
    for (const item of items) {
      assert.equal(item.cancellation.reason, undefined, "a cancelled item ran");
      assert.ok(item.deadlineAt > this.clock.now(), "an item ran past its deadline");
      assert.equal(item.outcome, "none");
      assert.ok(item.runCount === 0 || (this.#setting.isPure && this.#failed.has(item)), `item ${item.id} ran twice`);
      item.runCount += 1;
    }
    if (!isAgain) {
      this.#checkBatch(items);
      this.#batchCount += 1;
      for (const item of items) item.batch = this.#batchCount;
    }
    return new Promise((resolve, reject) => {
      this.#runs.push({
        items,
        isAgain,
        end: (how) => {
          // What failed may run again, until it runs without failing.
          const others = [...this.#failed].filter((item) => !items.includes(item));
          this.#failed = new Set(how === "throw" ? [...others, ...items] : others);
          const results = items.map(({ id }) => id);
          if (how === "throw") reject(new Error("the handler threw"));
          else if (how === "short") resolve(results.slice(1));
          else if (how === "oneError") resolve(results.map((id, at) => (at === 0 ? new Error(`item ${id}`) : id)));
          else resolve(results);
        },
      });
    });
  }

  /** What was handed over before it has been answered before it. */
  #checkTurn({ id, batch }: Item): void {
    const waiting = this.items.find((other) => other.batch > 0 && other.batch < batch && other.outcome === "none");
    assert.equal(waiting, undefined, `item ${id} was answered before item ${waiting?.id} of an earlier batch`);
  }

  #checkBatch(items: readonly Item[]): void {
    const { sizes, maxCost } = this.#setting;
    assert.ok(items.length > 0 && items.length <= this.#maxBatchSize, `a batch of ${items.length}`);
    assert.equal(new Set(items.map(({ key }) => key)).size, 1, "keys were mixed");
    const total = items.reduce((sum, { size }) => sum + size, 0);
    const longest = Math.max(...items.map(({ size }) => size));
    if (sizes === "costs" || sizes === "both") assert.ok(total <= maxCost, `a batch cost ${total}`);
    if (sizes === "lengths")
      assert.ok(items.length * longest <= maxCost, `a batch was padded to ${items.length * longest}`);
    for (const item of items) {
      const isSame = (other: Item): boolean =>
        other.priority === item.priority && other.key === item.key && (!this.#hasLengths || other.size === item.size);
      const before = this.#begun.filter(isSame).at(-1);
      assert.ok(before === undefined || before.id < item.id, `item ${item.id} ran after ${before?.id}`);
      this.#begun.push(item);
    }
  }
}

describe("a batch method", () => {
  it("loses, doubles, reorders and mixes nothing, and runs nothing too late, whatever comes, ends, fails and goes", async () => {
    let aheadCount = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), setting, async (steps, given) => {
        const world = new World(given);
        await world.teach();
        for (const each of steps) {
          if (each.kind === "submit") world.submit(each);
          else if (each.kind === "advance") world.clock.advance(each.ms);
          else if (each.kind === "end") world.end(each.how);
          else if (each.kind === "refuse") world.refuse();
          else if (each.kind === "cancel") world.cancel(each.at);
          else world.configure(each.size);
          await world.settle();
        }
        await world.finish();
        aheadCount += world.aheadCount;
      }),
      { numRuns: HISTORIES },
    );
    assert.ok(aheadCount > HISTORIES / 10, `only ${aheadCount} batches were handed over ahead`);
  });
});
