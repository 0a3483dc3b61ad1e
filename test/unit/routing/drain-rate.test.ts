import assert from "node:assert/strict";
import { test } from "node:test";
import { DrainRate } from "../../../routing/drain-rate.ts";

function end(drain: DrainRate, count: number, now: number): void {
  for (let ended = 0; ended < count; ended++) drain.ended(now);
}

test("only what ends while something waits counts, over the time in which something waited", () => {
  const drain = new DrainRate();
  end(drain, 100, 1_000);
  drain.waiting(true, 2_000);
  end(drain, 30, 2_500);
  drain.waiting(false, 3_000);
  end(drain, 50, 3_500);
  const { endedCount, waitedMs } = drain.measure(4_000);
  assert.deepEqual([endedCount, waitedMs], [30, 1_000]);
});

test("time in which nothing ends makes the rate fall", () => {
  const drain = new DrainRate();
  drain.waiting(true, 1_000);
  end(drain, 40, 2_000);
  assert.equal(drain.measure(5_000).waitedMs, 4_000);
});

test("what is old is forgotten", () => {
  const drain = new DrainRate();
  drain.waiting(true, 1_000);
  end(drain, 4, 1_500);
  assert.equal(drain.measure(1_600).endedCount, 4);
  assert.equal(drain.measure(20_000).endedCount, 0);
});
