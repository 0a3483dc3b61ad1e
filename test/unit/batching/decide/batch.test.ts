import assert from "node:assert/strict";
import { test } from "node:test";
import { batch, isExpired } from "../../../../batching/decide/batch.ts";

test("with nothing waiting nothing runs", () => {
  assert.deepEqual(batch({ waitingCount: 0, maxBatchSize: 8 }), { kind: "idle" });
});

test("an idle handler runs what waits at once, however little", () => {
  assert.deepEqual(batch({ waitingCount: 1, maxBatchSize: 8 }), { kind: "run", count: 1, reason: "handlerIdle" });
});

test("a batch never holds more than maxBatchSize, and is full at exactly that", () => {
  assert.deepEqual(batch({ waitingCount: 8, maxBatchSize: 8 }), { kind: "run", count: 8, reason: "full" });
  assert.deepEqual(batch({ waitingCount: 100, maxBatchSize: 8 }), { kind: "run", count: 8, reason: "full" });
});

test("an item is expired from its deadline on", () => {
  assert.equal(isExpired({ deadlineAt: 100 }, 99.9), false);
  assert.equal(isExpired({ deadlineAt: 100 }, 100), true);
});
