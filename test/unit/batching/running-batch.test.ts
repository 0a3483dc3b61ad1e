import assert from "node:assert/strict";
import { test } from "node:test";
import { RunForecast } from "../../../batching/run-forecast.ts";
import { RunningBatch } from "../../../batching/running-batch.ts";

const UNKNOWN = { runMs: 0, deadlineMs: 0, aheadMs: undefined, bestMs: Number.POSITIVE_INFINITY };

test("time is counted while a batch runs, and the one that runs now counts too", () => {
  const running = new RunningBatch(() => {});
  running.handOver([{ hasEnded: false, deadlineAt: 9 }], 100, UNKNOWN);
  assert.equal(running.work(130).busyMs, 30);
  running.end(150);
  assert.deepEqual(running.work(500), { busyMs: 50, abandonedRun: undefined });
});

test("a batch is abandoned when the last of its callers is gone, and each has another number", () => {
  const running = new RunningBatch(() => {});
  const entries = [
    { hasEnded: false, deadlineAt: Number.POSITIVE_INFINITY },
    { hasEnded: true, deadlineAt: 70 },
  ];
  running.handOver(entries, 0, UNKNOWN);
  assert.equal(running.work(1).abandonedRun, undefined);
  Object.assign(entries[0] ?? {}, { hasEnded: true });
  const first = running.work(2).abandonedRun;
  assert.deepEqual([first?.deadlineAt, first?.longestMs], [70, 0]);
  running.end(3);
  assert.equal(running.work(4).abandonedRun, undefined);
  running.handOver(entries, 5, UNKNOWN);
  const second = running.work(6).abandonedRun;
  assert.notEqual(second?.id, first?.id);
  assert.equal(second?.longestMs, 3, "so long did the one before it take");
});

test("no more counts as work than the items would take in the best batches", () => {
  const running = new RunningBatch(() => {});
  running.handOver([{ hasEnded: false, deadlineAt: 9 }], 0, { runMs: 0, deadlineMs: 0, aheadMs: undefined, bestMs: 4 });
  assert.equal(running.work(3).busyMs, 3);
  assert.equal(running.work(30).busyMs, 4);
  running.end(40);
  assert.equal(running.work(50).busyMs, 4);
});

test("one that is ahead runs from the end of the one before it", () => {
  const running = new RunningBatch(() => {});
  const entry = (hasEnded: boolean) => ({ hasEnded, deadlineAt: 9 });
  const expected = { ...UNKNOWN, runMs: 18, deadlineMs: 20, aheadMs: 15 };
  assert.deepEqual([running.aheadMs, running.freeAt(1)], [undefined, 1]);
  running.handOver([entry(false)], 0, expected);
  assert.deepEqual([running.aheadMs, running.freeAt(1), running.freeAt(30)], [15, 20, 30]);
  running.handOver([entry(true), entry(true)], 15, expected);
  assert.deepEqual([running.aheadMs, running.freeAt(15), running.freeAt(30)], [undefined, 40, 50]);
  assert.equal(running.endsAt(15), 18);
  assert.equal(running.work(24).abandonedRun, undefined, "somebody waits for what runs");
  running.end(25);
  assert.deepEqual([running.isRunning, running.size, running.aheadMs, running.freeAt(25)], [true, 2, 15, 45]);
  assert.deepEqual([running.work(30).busyMs, running.work(30).abandonedRun?.longestMs], [30, 25]);
  running.end(45);
  assert.deepEqual([running.isRunning, running.work(50).busyMs], [false, 45]);
});

test("the best batches are those that ran, and twice the largest of them at most", () => {
  const runs = new RunForecast();
  assert.equal(runs.bestMsEach(32), Number.POSITIVE_INFINITY);
  runs.ran(1, 1, 10);
  assert.equal(runs.bestMsEach(1), 10);
  assert.equal(runs.bestMsEach(32), 5);
  for (let i = 0; i < 50; i++) runs.ran(8, 8, 80);
  assert.ok(Math.abs(runs.bestMsEach(8) - 10) < 0.5, "eight take eight times as long: no batch is better than another");
});

test("items that cost nothing say nothing of the best batches, and time goes on being counted", () => {
  const runs = new RunForecast();
  runs.ran(4, 0, 12);
  assert.equal(runs.bestMsEach(8), Number.POSITIVE_INFINITY);
  runs.ran(4, 8, 12);
  assert.ok(runs.bestMsEach(8) > 0 && runs.bestMsEach(8) <= 12);
  runs.ran(4, 0, 12);
  assert.equal(runs.bestMsEach(8), Number.POSITIVE_INFINITY);
  const running = new RunningBatch(() => {});
  running.handOver([{ hasEnded: false, deadlineAt: 9 }], 0, {
    runMs: 0,
    deadlineMs: 0,
    aheadMs: undefined,
    bestMs: Number.NaN,
  });
  running.end(10);
  assert.equal(running.work(20).busyMs, 10);
});
