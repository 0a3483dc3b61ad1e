import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedQueue } from "../../../routing/bounded-queue.ts";

function filled(limit: number, values: readonly string[]): BoundedQueue<string> {
  const queue = new BoundedQueue<string>(limit);
  for (const value of values) queue.push(queue.arrive(value));
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
  assert.equal(queue.push(queue.arrive("c")), false);
  assert.equal(queue.size, 2);
});

test("an entry is removed from the middle, once", () => {
  const queue = new BoundedQueue<string>(10);
  const entries = ["a", "b", "c"].map((value) => queue.arrive(value));
  for (const entry of entries) queue.push(entry);
  const [, middle] = entries;
  assert.ok(middle !== undefined);
  assert.equal(queue.remove(middle), true);
  assert.equal(queue.remove(middle), false);
  assert.deepEqual(drained(queue), ["a", "c"]);
});

test("what returns stands where its arrival puts it, also over the limit", () => {
  const queue = new BoundedQueue<string>(3);
  const first = queue.arrive("a");
  queue.push(first);
  queue.shift();
  const second = queue.arrive("b");
  for (const value of ["c", "d", "e"]) queue.push(queue.arrive(value));
  queue.putBack(second);
  queue.putBack(first);
  queue.putBack(first);
  assert.equal(queue.size, 5);
  assert.deepEqual(drained(queue), ["a", "b", "c", "d", "e"]);
});
