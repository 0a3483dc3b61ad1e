import assert from "node:assert/strict";
import { test } from "node:test";
import { DrainRate } from "../../../routing/drain-rate.ts";

test("only what ends while something waits counts, over the time in which something waited", () => {
  const drain = new DrainRate();
  drain.ended(100, 1_000);
  drain.waiting(true, 2_000);
  drain.ended(30, 2_500);
  drain.waiting(false, 3_000);
  drain.ended(50, 3_500);
  const { endedCount, waitedMs } = drain.measure(4_000);
  assert.deepEqual([endedCount, waitedMs], [30, 1_000]);
});

test("time in which nothing ends makes the rate fall", () => {
  const drain = new DrainRate();
  drain.waiting(true, 1_000);
  drain.ended(40, 2_000);
  assert.equal(drain.measure(5_000).waitedMs, 4_000);
});

test("what was no end is taken back, and what is old is forgotten", () => {
  const drain = new DrainRate();
  drain.waiting(true, 1_000);
  drain.ended(5, 1_500);
  drain.ended(-1, 1_500);
  assert.equal(drain.measure(1_600).endedCount, 4);
  assert.equal(drain.measure(20_000).endedCount, 0);
});
