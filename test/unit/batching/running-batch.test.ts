import assert from "node:assert/strict";
import { test } from "node:test";
import { RunningBatch } from "../../../batching/running-batch.ts";

test("time is counted while a batch runs, and the one that runs now counts too", () => {
  const running = new RunningBatch();
  running.begin([{ hasEnded: false }], 100, 0);
  assert.equal(running.work(130).busyMs, 30);
  running.end(150);
  assert.deepEqual(running.work(500), { busyMs: 50, abandonedRun: undefined });
});

test("a batch is abandoned when the last of its callers is gone, and each has another number", () => {
  const running = new RunningBatch();
  const entries = [{ hasEnded: false }, { hasEnded: true }];
  running.begin(entries, 0, 0);
  assert.equal(running.work(1).abandonedRun, undefined);
  Object.assign(entries[0] ?? {}, { hasEnded: true });
  const first = running.work(2).abandonedRun;
  running.end(3);
  assert.equal(running.work(4).abandonedRun, undefined);
  running.begin(entries, 5, 0);
  assert.notEqual(running.work(6).abandonedRun, first);
});
