/** Batches that are handed over before the one before them has ended, to a handler that queues them itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchCaller } from "../../../batching/batch-entry.ts";
import { batchMetrics } from "../../../batching/batch-metrics.ts";
import { Batcher } from "../../../batching/batcher.ts";
import { Cancellation } from "../../../core/cancellation.ts";
import { systemDefer } from "../../../core/clock.ts";
import { CancelledError, DeadlineExceededError } from "../../../core/error.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import { ManualClock, settle } from "../../fake/manual-clock.ts";

type Run = { readonly items: number[]; readonly finish: () => void; readonly fail: (e: Error) => void };

const RUN_MS = 20;
/** A run that always takes so long is followed up 1 ms before its end. */
const AHEAD_MS = 19;

async function bed({ hasQueue = true, isPure = false, maxBatchSize = 4, isTaught = true } = {}) {
  const clock = new ManualClock();
  const metrics = createMetrics();
  const runs: Run[] = [];
  const batcher = new Batcher<number, string, BatchCaller>(
    { clock, defer: systemDefer, metrics: batchMetrics(metrics, "app/Main", "name") },
    {
      maxBatchSize,
      hasQueue,
      isPure,
      name: () => "method name",
      run: (items) =>
        new Promise((resolve, fail) => {
          runs.push({ items, finish: () => resolve(items.map((item) => `n${item}`)), fail });
        }),
    },
  );
  const submit = (
    item: number,
    deadlineAt = Number.POSITIVE_INFINITY,
    cancellation = new Cancellation(),
  ): Promise<string> => batcher.submit(item, { deadlineAt, cancellation });
  /** The run that was handed over first ends. */
  const end = async (): Promise<void> => {
    runs.shift()?.finish();
    await settle();
    await settle();
  };
  // Runs of 20 ms, for callers that do not come back.
  for (let round = 0; isTaught && round < 3; round++) {
    void submit(0);
    await settle();
    clock.advance(RUN_MS);
    await end();
    clock.advance(10 * RUN_MS);
  }
  return { clock, metrics, runs, batcher, submit, end };
}

/** One that runs since now, and two that wait. */
async function oneRuns(given: Awaited<ReturnType<typeof bed>>): Promise<readonly Promise<string>[]> {
  const answers = [given.submit(1)];
  await settle();
  answers.push(given.submit(2), given.submit(3));
  return answers;
}

const sizes = (runs: readonly Run[]): number[] => runs.map(({ items }) => items.length);

test("what waits is handed over shortly before the batch that runs is expected to end, and each gets its own result", async () => {
  const given = await bed();
  const answers = await oneRuns(given);
  given.clock.advance(AHEAD_MS - 0.1);
  assert.deepEqual(sizes(given.runs), [1]);
  given.clock.advance(0.1);
  assert.deepEqual(sizes(given.runs), [1, 2]);
  await given.end();
  await given.end();
  assert.deepEqual(await Promise.all(answers), ["n1", "n2", "n3"]);
});

test("a handler without a queue of its own gets nothing before it has answered", async () => {
  const given = await bed({ hasQueue: false });
  await oneRuns(given);
  given.clock.advance(5 * RUN_MS);
  assert.deepEqual(sizes(given.runs), [1]);
});

test("while nothing is known of run times nothing is handed over early", async () => {
  const given = await bed({ isTaught: false });
  await oneRuns(given);
  given.clock.advance(5 * RUN_MS);
  assert.deepEqual(sizes(given.runs), [1]);
});

test("no more than one is ahead, and the next one's turn is reckoned from the end of the first", async () => {
  const given = await bed({ maxBatchSize: 1 });
  await oneRuns(given);
  given.clock.advance(3 * RUN_MS);
  assert.deepEqual(sizes(given.runs), [1, 1]);
  await given.end();
  given.clock.advance(AHEAD_MS - 0.1);
  assert.equal(given.runs.length, 1);
  given.clock.advance(0.1);
  assert.equal(given.runs.length, 2);
});

test("where callers are about to come back who are worth a pause, nothing is handed over", async () => {
  const given = await bed({ isTaught: false });
  const { clock, runs, submit, end } = given;
  const threeCome = async (): Promise<void> => {
    clock.advance(0.3);
    for (let item = 0; item < 3; item++) void submit(item);
    await settle();
  };
  for (let round = 0; round < 10; round++) {
    await threeCome();
    clock.advance(RUN_MS);
    await end();
  }
  await threeCome();
  void submit(3);
  clock.advance(2 * RUN_MS);
  assert.deepEqual(sizes(runs), [3], "the fourth waits for the three that run");
});

test("its run is taken to begin when the one before it has ended", async () => {
  const given = await bed();
  await oneRuns(given);
  given.clock.advance(RUN_MS);
  await given.end();
  given.clock.advance(30);
  await given.end();
  assert.deepEqual(
    given.batcher.report("name").expectedRuns.map(({ items, runMs }) => [items, runMs]),
    [
      [1, RUN_MS],
      [2, 30],
    ],
  );
  const sums = Object.fromEntries(given.metrics.samples().map(({ name, values }) => [name, values.at(-1)]));
  assert.equal(sums["thornback_batch_run_seconds"], (4 * RUN_MS + 30) / 1_000);
});

test("one that is cancelled ahead is answered at once, and the others of its batch get their results", async () => {
  const given = await bed();
  const gone = new Cancellation();
  void given.submit(1);
  await settle();
  const cancelled = assert.rejects(given.submit(2, Number.POSITIVE_INFINITY, gone), CancelledError);
  const other = given.submit(3);
  given.clock.advance(AHEAD_MS);
  gone.cancel(new CancelledError("gone"));
  await cancelled;
  assert.equal(given.batcher.work.abandonedRun, undefined, "what runs, runs for somebody");
  await given.end();
  await given.end();
  assert.equal(await other, "n3");
});

test("one that would end too late behind what is handed over is refused", async () => {
  const given = await bed({ maxBatchSize: 1 });
  const { clock, runs, submit, end } = given;
  void submit(1);
  await settle();
  const now = clock.now();
  await assert.rejects(submit(2, now + 2 * RUN_MS - 1), DeadlineExceededError);
  const inTime = submit(3, now + 2 * RUN_MS + 1);
  clock.advance(AHEAD_MS);
  assert.deepEqual(runs.at(-1)?.items, [3]);
  await assert.rejects(submit(4, now + 3 * RUN_MS - 1), DeadlineExceededError);
  void submit(5, now + 3 * RUN_MS + 1);
  await end();
  await end();
  assert.equal(await inTime, "n3");
});

test("where somebody might come too late, who runs next is decided when the present batch has ended", async () => {
  const { clock, runs, submit, end } = await bed();
  // Two take twice the time of one.
  for (let round = 0; round < 3; round++) {
    void submit(0);
    void submit(0);
    await settle();
    clock.advance(2 * RUN_MS);
    await end();
    clock.advance(10 * RUN_MS);
  }
  void submit(1);
  await settle();
  const [soon, later] = [submit(2, clock.now() + 2.5 * RUN_MS), submit(3)];
  await settle();
  clock.advance(AHEAD_MS);
  await settle();
  assert.deepEqual(sizes(runs), [1]);
  clock.advance(RUN_MS - AHEAD_MS);
  await end();
  assert.deepEqual(runs.at(-1)?.items, [2], "alone it is in time");
  clock.advance(RUN_MS);
  await end();
  await end();
  assert.deepEqual(await Promise.all([soon, later]), ["n2", "n3"]);
});

test("what is ahead of a batch that will never end fails with what waits", async () => {
  const given = await bed({ maxBatchSize: 1 });
  const gone = new Cancellation();
  const stuck = assert.rejects(given.submit(1, Number.POSITIVE_INFINITY, gone), CancelledError);
  await settle();
  const rest = [given.submit(2), given.submit(3)].map((answer) => assert.rejects(answer, /it is being replaced/));
  given.clock.advance(AHEAD_MS);
  assert.equal(given.runs.length, 2);
  gone.cancel(new CancelledError("gone"));
  await stuck;
  given.batcher.work.abandonedRun?.giveUp(new Error("it is being replaced"));
  await Promise.all(rest);
});

test("batches are answered in their order, and the failure of one says nothing of the other", async () => {
  const given = await bed({ isPure: true });
  const ended: number[] = [];
  const [first, ...ahead] = await oneRuns(given);
  void first?.then(() => ended.push(1));
  for (const [at, answer] of ahead.entries()) void answer.catch(() => ended.push(at + 2));
  given.clock.advance(AHEAD_MS);
  given.runs.pop()?.fail(new Error("no memory"));
  await settle();
  assert.deepEqual([ended, sizes(given.runs)], [[], [1]], "nor is it tried again before its turn");
  await given.end();
  for (let half = 0; half < 2; half++) {
    given.runs.pop()?.fail(new Error("no memory"));
    await settle();
  }
  assert.deepEqual([ended[0], ended.length], [1, 3]);
  const [one] = given.batcher.report("name").expectedRuns;
  assert.ok(one !== undefined && one.runMs > AHEAD_MS, "a failure does not make the run before it look short");
});

test("the next one runs on while the culprit in the one before it is looked for", async () => {
  const given = await bed({ isPure: true });
  const { clock, runs, submit, end } = given;
  const culprit = assert.rejects(submit(1), /poison/);
  const innocent = submit(2);
  await settle();
  const next = submit(3);
  clock.advance(AHEAD_MS);
  runs.shift()?.fail(new Error("poison"));
  await settle();
  assert.deepEqual(
    runs.map(({ items }) => items),
    [[3], [1]],
  );
  await end();
  runs.shift()?.fail(new Error("poison"));
  await settle();
  await end();
  await culprit;
  assert.deepEqual(await Promise.all([innocent, next]), ["n2", "n3"]);
});
