import assert from "node:assert/strict";
import { test } from "node:test";
import { Batcher, batchMetrics, type BatchCaller } from "../../../batching/batcher.ts";
import { Cancellation } from "../../../core/cancellation.ts";
import { systemDefer } from "../../../core/clock.ts";
import { CancelledError, DeadlineExceededError, HandlerError, QueueFullError } from "../../../core/error.ts";
import { MOST_BATCH_WAITING_ITEMS } from "../../../core/limits.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import { ManualClock, settle } from "../../fake/manual-clock.ts";

type Run = {
  readonly items: number[];
  readonly finish: (results: (string | Error)[]) => void;
  readonly fail: (e: Error) => void;
};

function bed(maxBatchSize = 4) {
  const clock = new ManualClock();
  const metrics = createMetrics();
  const runs: Run[] = [];
  const batcher = new Batcher<number, string, BatchCaller>(
    { clock, defer: systemDefer, metrics: batchMetrics(metrics, "app/Main", "name") },
    {
      maxBatchSize,
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
  assert.equal(batcher.waitingCount, 0);
  runs[0]?.finish(["n1"]);
  await nextTurn();
  assert.equal(runs.length, 1, "the cancelled one never ran");
});

test("one that is cancelled already is not even queued", async () => {
  const { batcher, runs, submit } = bed();
  const cancellation = new Cancellation();
  cancellation.cancel(new CancelledError("gone"));
  await assert.rejects(submit(1, Number.POSITIVE_INFINITY, cancellation), CancelledError);
  await settle();
  assert.deepEqual([batcher.waitingCount, runs.length], [0, 0]);
});

test("the queue has a bound", async () => {
  const { submit } = bed(1);
  void submit(0);
  await settle();
  for (let at = 0; at < MOST_BATCH_WAITING_ITEMS; at++) void submit(at);
  await assert.rejects(submit(1), QueueFullError);
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
