import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchCaller } from "../../../batching/batch-entry.ts";
import { batchMetrics } from "../../../batching/batch-metrics.ts";
import { Batcher } from "../../../batching/batcher.ts";
import { Cancellation } from "../../../core/cancellation.ts";
import { systemDefer } from "../../../core/clock.ts";
import {
  CancelledError,
  DeadlineExceededError,
  HandlerError,
  InvalidRequestError,
  QueueFullError,
} from "../../../core/error.ts";
import { MOST_BATCH_WAITING_ITEMS } from "../../../core/limits.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import { seededRandom } from "../../../core/random.ts";
import { ManualClock, settle } from "../../fake/manual-clock.ts";

type Run = {
  readonly items: number[];
  readonly finish: (results: (string | Error)[]) => void;
  readonly fail: (e: Error) => void;
};

function bed(maxBatchSize = 4, maxWaitMs?: number) {
  const clock = new ManualClock();
  const metrics = createMetrics();
  const runs: Run[] = [];
  const batcher = new Batcher<number, string, BatchCaller>(
    { clock, defer: systemDefer, metrics: batchMetrics(metrics, "app/Main", "name") },
    {
      maxBatchSize,
      maxWaitMs,
      name: () => "method name",
      run: (items) => new Promise((finish, fail) => runs.push({ items, finish, fail })),
    },
  );
  const submit = (
    item: number,
    deadlineAt = Number.POSITIVE_INFINITY,
    cancellation = new Cancellation(),
  ): Promise<string> => batcher.submit(item, { deadlineAt, cancellation });
  return { clock, metrics, runs, batcher, submit };
}

/** A batch that ends makes the next one due at the end of the turn in which its results went out. */
async function nextTurn(): Promise<void> {
  await settle();
  await settle();
}

/** When a run of the 100 ms model ends. */
const ends = new WeakMap<Run, number>();

const names = (run: Run | undefined): string[] => run?.items.map((item) => `n${item}`) ?? [];

test("items that come in one turn run together, at once, and each gets its own result", async () => {
  const { runs, submit } = bed();
  const answers = [1, 2, 3].map((item) => submit(item));
  await settle();
  assert.deepEqual(runs[0]?.items, [1, 2, 3]);
  runs[0]?.finish(names(runs[0]));
  assert.deepEqual(await Promise.all(answers), ["n1", "n2", "n3"]);
});

test("while a batch runs none is cut, and what came meanwhile is the next, up to maxBatchSize", async () => {
  const { runs, submit } = bed(4);
  void submit(0);
  await settle();
  for (let item = 1; item <= 6; item++) void submit(item);
  await settle();
  assert.equal(runs.length, 1);
  runs[0]?.finish(["n0"]);
  await nextTurn();
  assert.deepEqual(runs[1]?.items, [1, 2, 3, 4]);
  runs[1]?.finish(names(runs[1]));
  await nextTurn();
  assert.deepEqual(runs[2]?.items, [5, 6]);
});

test("an Error among the results fails that item alone", async () => {
  const { runs, submit } = bed();
  const [good, bad] = [submit(1), submit(2)];
  const rejected = assert.rejects(bad, RangeError);
  await settle();
  runs[0]?.finish(["n1", new RangeError("two")]);
  assert.equal(await good, "n1");
  await rejected;
});

test("a wrong number of results fails the whole batch, says expected and got, and the next one runs", async () => {
  const { runs, submit } = bed();
  const answers = [submit(1), submit(2)];
  const rejected = answers.map((answer) =>
    assert.rejects(answer, (error) => {
      assert.ok(error instanceof HandlerError);
      assert.match(error.message, /method name was given 2 items and returned an array of 1/);
      return true;
    }),
  );
  await settle();
  runs[0]?.finish(["n1"]);
  await Promise.all(rejected);
  void submit(3);
  await settle();
  assert.deepEqual(runs[1]?.items, [3]);
});

test("a handler that throws fails its batch alone", async () => {
  const { runs, submit } = bed();
  const rejected = assert.rejects(submit(1), /no memory/);
  await settle();
  runs[0]?.fail(new Error("no memory"));
  await rejected;
  const next = submit(2);
  await settle();
  runs[1]?.finish(["n2"]);
  assert.equal(await next, "n2");
});

test("an item whose deadline passed while it waited is never computed", async () => {
  const { clock, runs, submit } = bed();
  void submit(0);
  await settle();
  const late = assert.rejects(submit(1, 50), DeadlineExceededError);
  void submit(2, 500);
  clock.advance(60);
  runs[0]?.finish(["n0"]);
  await late;
  await nextTurn();
  assert.deepEqual(runs[1]?.items, [2]);
});

test("a cancelled item leaves the queue, and one that runs is answered at once", async () => {
  const { runs, batcher, submit } = bed(1);
  const [first, second] = [new Cancellation(), new Cancellation()];
  const running = assert.rejects(submit(1, Number.POSITIVE_INFINITY, first), CancelledError);
  const waiting = assert.rejects(submit(2, Number.POSITIVE_INFINITY, second), CancelledError);
  await settle();
  second.cancel(new CancelledError("gone"));
  first.cancel(new CancelledError("gone"));
  await Promise.all([running, waiting]);
  assert.equal(batcher.work.waitingCount, 0);
  runs[0]?.finish(["n1"]);
  await nextTurn();
  assert.equal(runs.length, 1, "the cancelled one never ran");
});

/** Two callers, split into turns, that come back half a millisecond after each answer. Ends while one of them waits. */
async function twoInTurns(given: ReturnType<typeof bed>, count: number): Promise<void> {
  const { clock, runs, submit } = given;
  void submit(0);
  await settle();
  for (let turn = 0; turn < count; turn++) {
    clock.advance(0.5);
    void submit(turn + 1);
    clock.advance(9.5);
    const run = runs.at(-1);
    run?.finish(names(run));
    if (turn < count - 1) await nextTurn();
  }
  await settle();
}

test("callers that take turns are brought together: the one that waits is held until the other is back", async () => {
  const given = bed(4);
  await twoInTurns(given, 20);
  assert.ok(given.runs.some(({ items }) => items.length === 2));
});

test("with maxWaitMs 0 nobody is held", async () => {
  const given = bed(4, 0);
  await twoInTurns(given, 20);
  assert.ok(given.runs.length > 10 && given.runs.every(({ items }) => items.length === 1));
});

test("an item that its batch could not answer in time is refused before it runs, and says why", async () => {
  const { clock, runs, submit } = bed();
  for (let item = 0; item < 3; item++) {
    void submit(item);
    await settle();
    clock.advance(50);
    runs[item]?.finish([`n${item}`]);
    await nextTurn();
  }
  const late = assert.rejects(
    submit(3, clock.now() + 49),
    /a batch of method name that it could be in would end in about 50 ms, after the request's deadline/,
  );
  void submit(4, clock.now() + 60);
  await late;
  await settle();
  assert.deepEqual(runs[3]?.items, [4]);
});

test("while a batch runs an item that could only be in one that ends too late is refused at once", async () => {
  const { clock, runs, submit } = bed(2, 0);
  const run = async (items: number): Promise<void> => {
    for (let item = 0; item < items; item++) void submit(item);
    await settle();
    clock.advance(50);
    runs.at(-1)?.finish(names(runs.at(-1)));
    await nextTurn();
  };
  for (let round = 0; round < 5; round++) for (const items of [1, 2]) await run(items);
  void submit(1);
  await settle();
  clock.advance(20);
  const now = clock.now();
  // 30 ms are left of the run that is on; the next one takes 50, the one after that 50 more.
  await assert.rejects(submit(2, now + 79), DeadlineExceededError);
  void submit(3, now + 90);
  void submit(4, now + 90);
  await assert.rejects(submit(5, now + 129), DeadlineExceededError);
  void submit(6, now + 140);
  clock.advance(30);
  runs.at(-1)?.finish(["n1"]);
  await nextTurn();
  assert.deepEqual(runs.at(-1)?.items, [3, 4]);
});

test("a batch that would end too late for everybody is cut smaller: 20 ms and 1 ms an item, 32 callers with 45 ms", async () => {
  const { clock, runs, submit } = bed(32);
  let [answered, late] = [0, 0];
  const call = (item: number): void => {
    submit(item, clock.now() + 45).then(
      () => {
        answered += 1;
        call(item);
      },
      () => {
        late += 1;
        clock.after(5, () => call(item));
      },
    );
  };
  for (let item = 0; item < 32; item++) call(item);
  for (const until = 5_000; clock.now() < until;) {
    await nextTurn();
    const run = runs.pop();
    if (run === undefined) {
      clock.advance(1);
      continue;
    }
    for (let ms = 0; ms < 20 + run.items.length; ms++) {
      clock.advance(1);
      await settle();
    }
    run.finish(names(run));
  }
  // Batches of 16 take 36 ms: at most 2,222 in the time.
  assert.ok(answered > 1_000, `${answered} answered, ${late} late`);
});

test("one model's run times say nothing of another's", async () => {
  const clock = new ManualClock();
  const ran: string[] = [];
  const batcher = new Batcher<string, string, BatchCaller>(
    { clock, defer: systemDefer, metrics: undefined },
    {
      maxBatchSize: 4,
      maxWaitMs: 0,
      name: () => "method name",
      traitsOf: (item) => ({ key: item }),
      run: async (items) => {
        ran.push(...items);
        await new Promise<void>((resolve) => void clock.after(items[0] === "slow" ? 500 : 10, resolve));
        return items;
      },
    },
  );
  const ask = async (item: string, ms: number): Promise<string> => {
    const answer = batcher.submit(item, { deadlineAt: clock.now() + ms, cancellation: new Cancellation() });
    await settle();
    await clock.advanceAsync(600);
    return answer;
  };
  for (let round = 0; round < 5; round++) await ask("slow", 5_000);
  for (let round = 0; round < 5; round++) assert.equal(await ask("quick", 100), "quick");
  assert.equal(ran.length, 10);
});

test("an item that the batch which begins now leaves behind for too long is refused then", async () => {
  const { clock, runs, batcher, submit } = bed(1);
  for (let round = 0; round < 5; round++) {
    void submit(round);
    await settle();
    clock.advance(50);
    runs.at(-1)?.finish(["n"]);
    await nextTurn();
  }
  const now = clock.now();
  const urgent = { deadlineAt: 1e9, cancellation: new Cancellation(), priority: 5 };
  const late = assert.rejects(submit(1, now + 99), DeadlineExceededError);
  void batcher.submit(2, urgent);
  await late;
  await settle();
  assert.deepEqual(runs.at(-1)?.items, [2]);
});

test("what is known of run times may be wrong by now: an idle handler that nobody else wants tries an item with little time", async () => {
  const { clock, runs, submit } = bed();
  void submit(0);
  await settle();
  clock.advance(50);
  runs[0]?.finish(["n0"]);
  await nextTurn();
  clock.advance(2_000);
  void submit(1, clock.now() + 40);
  await settle();
  assert.deepEqual(runs[1]?.items, [1]);
});

test("one that is cancelled already is not even queued", async () => {
  const { batcher, runs, submit } = bed();
  const cancellation = new Cancellation();
  cancellation.cancel(new CancelledError("gone"));
  await assert.rejects(submit(1, Number.POSITIVE_INFINITY, cancellation), CancelledError);
  await settle();
  assert.deepEqual([batcher.work.waitingCount, runs.length], [0, 0]);
});

test("the queue has a bound", async () => {
  const { submit } = bed(1);
  void submit(0);
  await settle();
  for (let at = 0; at < MOST_BATCH_WAITING_ITEMS; at++) void submit(at);
  await assert.rejects(submit(1), QueueFullError);
});

test("a higher priority runs before what came earlier", async () => {
  const { runs, batcher } = bed(2);
  const submit = (item: number, priority: number): void =>
    void batcher.submit(item, { deadlineAt: 1e9, cancellation: new Cancellation(), priority });
  submit(0, 0);
  await settle();
  for (const [item, priority] of [
    [1, 0],
    [2, 5],
    [3, 0],
    [4, 5],
  ] as const)
    submit(item, priority);
  runs[0]?.finish(["n0"]);
  await nextTurn();
  assert.deepEqual(runs[1]?.items, [2, 4]);
  runs[1]?.finish(["n2", "n4"]);
  await nextTurn();
  assert.deepEqual(runs[2]?.items, [1, 3]);
});

test("limits may change while it is used: they hold from the next batch on", async () => {
  const { runs, batcher, submit } = bed(4);
  void submit(0);
  await settle();
  for (let item = 1; item <= 6; item++) void submit(item);
  batcher.configure({ maxBatchSize: 2 });
  runs[0]?.finish(["n0"]);
  await nextTurn();
  assert.deepEqual(runs[1]?.items, [1, 2]);
});

test("an item that alone costs more than a batch may fails by itself, and so does one whose traits cannot be told", async () => {
  const clock = new ManualClock();
  const batcher = new Batcher<number, number, BatchCaller>(
    { clock, defer: systemDefer, metrics: undefined },
    {
      maxBatchSize: 4,
      maxCost: 10,
      name: () => "method name",
      traitsOf: (item) => ({ cost: item }),
      run: (items) => items,
    },
  );
  const caller = { deadlineAt: 1e9, cancellation: new Cancellation() };
  const fits = batcher.submit(5, caller);
  const rejected = Promise.all([
    assert.rejects(batcher.submit(11, caller), (error) => {
      assert.ok(error instanceof InvalidRequestError);
      assert.match(error.message, /an item of method name costs 11, and a batch may cost 10 \(maxCost\)/);
      return true;
    }),
    assert.rejects(batcher.submit(Number.NaN, caller), /an item's cost must be a number of 0 or more, and was NaN/),
  ]);
  assert.equal(await fits, 5);
  await rejected;
});

test("where each item costs as much, items that wait run one by one: nobody waits for the end of a larger batch", async () => {
  const { clock, runs, batcher, submit } = bed(8);
  const ask = async (count: number): Promise<number[]> => {
    const sizes: number[] = [];
    for (let item = 0; item < count; item++) void submit(item);
    await settle();
    while (batcher.work.waitingCount > 0 || runs.length > 0) {
      const run = runs.pop();
      if (run !== undefined) sizes.push(run.items.length);
      clock.advance(5 * (run?.items.length ?? 1));
      run?.finish(names(run));
      await nextTurn();
    }
    return sizes;
  };
  assert.deepEqual(await ask(8), [8], "nothing is known at first");
  for (let round = 0; round < 10; round++) for (const count of [1, 2, 4, 8]) await ask(count);
  assert.deepEqual(await ask(8), [1, 1, 1, 1, 1, 1, 1, 1]);
});

test("below a model's capacity the wait stays short and steady with nothing set (100 ms, 32 at once, 200 a second)", async () => {
  const { clock, runs, submit } = bed(32);
  const random = seededRandom(22);
  const latencies: number[] = [];
  let nextAt = 0;
  for (const until = 20_000; clock.now() < until;) {
    while (nextAt <= clock.now()) {
      const arrivedAt = clock.now();
      void submit(0).then(() => latencies.push(clock.now() - arrivedAt));
      nextAt += (-Math.log(1 - random.next()) * 1_000) / 200;
    }
    await settle();
    const run = runs.at(-1);
    if (run !== undefined && clock.now() >= (ends.get(run) ?? ends.set(run, clock.now() + 100).get(run) ?? 0)) {
      runs.pop();
      run.finish(names(run));
      await nextTurn();
      continue;
    }
    clock.advance(1);
  }
  latencies.sort((one, other) => one - other);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  assert.ok(latencies.length > 3_500);
  assert.ok(at(0.5) <= 175 && at(0.99) <= 260, `p50 ${at(0.5)}, p99 ${at(0.99)}`);
});

test("sizes, waits and run times are measured", async () => {
  const { clock, metrics, runs, submit } = bed();
  void submit(1);
  void submit(2);
  await settle();
  clock.advance(5);
  runs[0]?.finish(names(runs[0]));
  await settle();
  const sums = Object.fromEntries(metrics.samples().map(({ name, values }) => [name, values.at(-1)]));
  assert.equal(sums["thornback_batch_items"], 2);
  assert.equal(sums["thornback_batch_run_seconds"], 0.005);
  assert.equal(sums["thornback_batch_wait_seconds"], 0);
});

test("what waits for a batch that will never end, and what would come to wait, fails when that is known", async () => {
  const { runs, submit, batcher } = bed();
  const cancellation = new Cancellation();
  const running = submit(1, Number.POSITIVE_INFINITY, cancellation);
  await nextTurn();
  const waiting = submit(2);
  cancellation.cancel(new CancelledError("gone"));
  await assert.rejects(running, CancelledError);
  const stuck = batcher.work.abandonedRun;
  stuck?.giveUp(new Error("it is being replaced"));
  await assert.rejects(waiting, /it is being replaced/);
  await assert.rejects(submit(3), /it is being replaced/);
  assert.equal(batcher.work.waitingCount, 0);
  assert.equal(runs.length, 1);
});
