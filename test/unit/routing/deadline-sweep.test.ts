import assert from "node:assert/strict";
import { test } from "node:test";
import { DeadlineSweep } from "../../../routing/deadline-sweep.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

function fixture(): {
  clock: ManualClock;
  sweep: DeadlineSweep;
  expired: string[];
  add: (name: string, at: number) => () => void;
} {
  const clock = new ManualClock();
  const sweep = new DeadlineSweep(clock);
  const expired: string[] = [];
  const add = (name: string, deadlineAt: number): (() => void) => {
    const expiring = { sweepIndex: -1, deadlineAt, onDeadline: () => void expired.push(`${name} ${clock.now()}`) };
    sweep.add(expiring);
    return () => sweep.remove(expiring);
  };
  return { clock, sweep, expired, add };
}

test("each ends at its deadline or a grain later, whatever order they came in", () => {
  const { clock, expired, add } = fixture();
  add("c", 5_000);
  add("a", 100);
  add("b", 1_000);
  clock.advance(99);
  assert.deepEqual(expired, []);
  clock.advance(10_000);
  assert.deepEqual(expired, ["a 100", "b 1000", "c 5000"]);
  assert.equal(clock.pendingCount, 0);
});

test("one that was removed is not called, and no second timer is made for it", () => {
  const { clock, expired, add } = fixture();
  const remove = add("a", 100);
  add("b", 102);
  remove();
  assert.equal(clock.pendingCount, 1);
  clock.advance(200);
  assert.deepEqual(expired, ["b 108"]);
});

test("a deadline that has passed is noticed within a grain", () => {
  const { clock, expired, add } = fixture();
  clock.advance(50);
  add("a", 10);
  clock.advance(8);
  assert.deepEqual(expired, ["a 58"]);
});
