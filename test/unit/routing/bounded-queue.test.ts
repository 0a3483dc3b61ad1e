import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedQueue } from "../../../routing/bounded-queue.ts";

function filled(limit: number, values: readonly string[]): BoundedQueue<string> {
  const queue = new BoundedQueue<string>(limit);
  for (const value of values) queue.push(queue.arrive(value, 0));
  return queue;
}

function drained(queue: BoundedQueue<string>): string[] {
  const values: string[] = [];
  for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) values.push(entry.value);
  return values;
}

test("values leave in the order in which they came", () => {
  assert.deepEqual(drained(filled(10, ["a", "b", "c"])), ["a", "b", "c"]);
});

test("one more than the limit is not taken", () => {
  const queue = filled(2, ["a", "b"]);
  assert.equal(queue.push(queue.arrive("c", 0)), false);
  assert.equal(queue.size, 2);
});

test("an entry is removed from the middle, once", () => {
  const queue = new BoundedQueue<string>(10);
  const entries = ["a", "b", "c"].map((value) => queue.arrive(value, 0));
  for (const entry of entries) queue.push(entry);
  const [, middle] = entries;
  assert.ok(middle !== undefined);
  assert.equal(queue.remove(middle), true);
  assert.equal(queue.remove(middle), false);
  assert.deepEqual(drained(queue), ["a", "c"]);
});

test("what returns stands where its arrival puts it, also over the limit", () => {
  const queue = new BoundedQueue<string>(3);
  const first = queue.arrive("a", 0);
  queue.push(first);
  queue.shift();
  const second = queue.arrive("b", 0);
  for (const value of ["c", "d", "e"]) queue.push(queue.arrive(value, 0));
  queue.putBack(second);
  queue.putBack(first);
  queue.putBack(first);
  assert.equal(queue.size, 5);
  assert.deepEqual(drained(queue), ["a", "b", "c", "d", "e"]);
});

test("higher priorities leave first, each in order of arrival", () => {
  const queue = new BoundedQueue<string>(10);
  for (const [value, priority] of [
    ["a", 0],
    ["b", 5],
    ["c", -3],
    ["d", 5],
    ["e", 0],
  ] as const) {
    queue.push(queue.arrive(value, priority));
  }
  assert.equal(queue.aheadOf(5), 2);
  assert.equal(queue.aheadOf(0), 4);
  assert.equal(queue.aheadOf(-10), 5);
  assert.deepEqual(drained(queue), ["b", "d", "a", "e", "c"]);
});

test("priorities beyond the ends count as the ends, and what is no number as none", () => {
  const queue = new BoundedQueue<string>(10);
  for (const [value, priority] of [
    ["a", -99],
    ["b", 99],
    ["c", 10],
    ["d", Number.NaN],
  ] as const) {
    queue.push(queue.arrive(value, priority));
  }
  assert.deepEqual(drained(queue), ["b", "c", "d", "a"]);
});

test("a newcomer takes the place of the newest of the lowest priority, if that is lower than its own", () => {
  const queue = new BoundedQueue<string>(4);
  for (const [value, priority] of [
    ["a", 0],
    ["b", -1],
    ["c", -1],
    ["d", 2],
  ] as const) {
    queue.push(queue.arrive(value, priority));
  }
  assert.equal(queue.hasBelow(-1), false);
  assert.equal(queue.pushOut(queue.arrive("x", -1)), undefined);
  assert.equal(queue.pushOut(queue.arrive("y", 2))?.value, "c");
  assert.equal(queue.pushOut(queue.arrive("z", 0))?.value, "b");
  assert.equal(queue.size, 4);
  assert.deepEqual(drained(queue), ["d", "y", "a", "z"]);
});

test("what returns stands where its arrival puts it among those of its priority", () => {
  const queue = new BoundedQueue<string>(10);
  const low = queue.arrive("low", 0);
  const high = queue.arrive("high", 1);
  for (const [value, priority] of [
    ["later", 0],
    ["later still", 1],
  ] as const)
    queue.push(queue.arrive(value, priority));
  queue.putBack(low);
  queue.putBack(high);
  assert.deepEqual(drained(queue), ["high", "later still", "low", "later"]);
});

test("all that waits is told in the order of its turns", () => {
  const queue = filled(10, ["a", "b"]);
  for (const [value, priority] of [
    ["low", -1],
    ["high", 2],
  ] as const)
    queue.push(queue.arrive(value, priority));
  const all = queue.all();
  assert.deepEqual(all, ["high", "a", "b", "low"]);
  assert.deepEqual(drained(queue), all);
});
