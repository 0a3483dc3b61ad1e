import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchCaller } from "../../../batching/batch-entry.ts";
import { Batcher } from "../../../batching/batcher.ts";
import { Cancellation } from "../../../core/cancellation.ts";
import { systemDefer } from "../../../core/clock.ts";
import { DeadlineExceededError } from "../../../core/error.ts";
import { ManualClock, settle } from "../../fake/manual-clock.ts";

/** A handler that pads: items are their lengths, and cost a million times as much. */
function paddingBed() {
  const clock = new ManualClock();
  const finishes: (() => void)[] = [];
  const batcher = new Batcher<number, number, BatchCaller>(
    { clock, defer: systemDefer, metrics: undefined },
    {
      maxBatchSize: 4,
      name: () => "method name",
      traitsOf: (length) => ({ length, cost: length * 1e6 }),
      run: (items) => new Promise((resolve) => finishes.push(() => resolve([...items]))),
    },
  );
  const submit = (length: number, withinMs: number): Promise<number> =>
    batcher.submit(length, { deadlineAt: clock.now() + withinMs, cancellation: new Cancellation() });
  const finishAfter = async (ms: number): Promise<void> => {
    clock.advance(ms);
    finishes.shift()?.();
    await settle();
    await settle();
  };
  return { submit, finishAfter };
}

test("what a run takes is known by padded length, whatever items cost: one that comes meanwhile is held against that", async () => {
  const { submit, finishAfter } = paddingBed();
  for (const length of [10, 20, 10, 20]) {
    const answer = submit(length, Number.POSITIVE_INFINITY);
    await settle();
    await finishAfter(length);
    assert.equal(await answer, length);
  }
  const first = submit(10, Number.POSITIVE_INFINITY);
  await settle();
  // The one that runs takes 10 ms, and this one's own run 20.
  const inTime = submit(20, 35);
  await assert.rejects(submit(20, 25), DeadlineExceededError);
  await finishAfter(10);
  await finishAfter(20);
  assert.deepEqual(await Promise.all([first, inTime]), [10, 20]);
});
