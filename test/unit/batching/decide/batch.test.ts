import assert from "node:assert/strict";
import { test } from "node:test";
import { batch, type BatchInput, isTooLate } from "../../../../batching/decide/batch.ts";

/** 5 ms, and a tenth of a millisecond for each item. */
const runMs = (count: number): number => 5 + 0.1 * count;

function input(given: Partial<BatchInput>): BatchInput {
  return {
    count: 1,
    isFull: false,
    hasOthers: false,
    maxCount: 8,
    expected: [],
    waitedMs: 0,
    gapMs: 0,
    pauseUntil: Number.POSITIVE_INFINITY,
    runMs,
    ...given,
  };
}

test("with nothing waiting nothing runs", () => {
  assert.deepEqual(batch(input({ count: 0 }), 0), { kind: "idle" });
});

test("an idle handler runs what waits at once, however little", () => {
  assert.deepEqual(batch(input({ count: 1 }), 0), { kind: "run", reason: "handlerIdle" });
});

test("what is full runs, whoever is about to come back", () => {
  const expected = [{ withinMs: 0.5, count: 10 }];
  assert.deepEqual(batch(input({ count: 4, isFull: true, expected }), 0), { kind: "run", reason: "full" });
});

test("where the other half of the callers is about to come back, they are waited for", () => {
  const expected = [{ withinMs: 0.5, count: 4 }];
  assert.deepEqual(batch(input({ count: 4, expected }), 100), { kind: "pause", until: 100.5 });
});

test("nobody is waited for while others wait that may not run with these", () => {
  const expected = [{ withinMs: 0.5, count: 4 }];
  assert.equal(batch(input({ count: 4, hasOthers: true, expected }), 0).kind, "run");
});

test("of several spans the one that saves most is waited for", () => {
  const expected = [
    { withinMs: 0.25, count: 1 },
    { withinMs: 0.5, count: 6 },
    { withinMs: 1, count: 6.5 },
  ];
  assert.deepEqual(batch(input({ count: 1, expected }), 0), { kind: "pause", until: 1 });
});

test("many wait for the last one, which would cost a run of its own, but not for somebody who is hardly expected", () => {
  const late = (count: number): BatchInput => input({ count: 15, maxCount: 64, expected: [{ withinMs: 0.5, count }] });
  assert.equal(batch(late(1), 0).kind, "pause");
  assert.equal(batch(late(0.1), 0).kind, "run");
});

test("a bound on the wait is kept, and none at all is kept too", () => {
  const expected = [{ withinMs: 0.5, count: 4 }];
  assert.equal(batch(input({ count: 4, expected, pauseUntil: 0.4 }), 0).kind, "run");
  assert.equal(batch(input({ count: 4, expected, pauseUntil: -1 }), 0).kind, "run");
});

test("nobody waits longer than half of the run that is waited for, what was waited already included", () => {
  const expected = [{ withinMs: 2, count: 4 }];
  // 4 that wait and 4 that come take 5.8 ms together.
  assert.equal(batch(input({ count: 4, expected, waitedMs: 0.8 }), 0).kind, "pause");
  assert.equal(batch(input({ count: 4, expected, waitedMs: 1 }), 0).kind, "run");
});

test("where a run costs as much for each item nothing is gained by waiting", () => {
  const expected = [{ withinMs: 0.5, count: 4 }];
  assert.equal(batch(input({ count: 4, expected, runMs: (count) => 5 * count }), 0).kind, "run");
});

test("an item is too late when its deadline is no later than the end of the batch", () => {
  assert.equal(isTooLate({ deadlineAt: 100 }, 99.9), false);
  assert.equal(isTooLate({ deadlineAt: 100 }, 100), true);
});
