import assert from "node:assert/strict";
import { test } from "node:test";
import { fit } from "../../../../batching/decide/fit.ts";

/** 20 ms, and 1 ms for each item. */
const runMs = (count: number): number => 20 + count;
const all = (count: number, deadlineAt: number): number[] => Array.from({ length: count }, () => deadlineAt);

test("a whole batch runs where all are in time", () => {
  assert.equal(fit(all(32, 153), runMs, 100), 32);
});

test("where a whole batch would be too late for all, half of it or less runs", () => {
  assert.equal(fit(all(32, 45), runMs, 0), 16);
  assert.equal(fit(all(32, 25), runMs, 0), 4);
});

test("a few that are late are no reason to run fewer", () => {
  const deadlines = [...all(2, 50), ...all(30, 100)];
  assert.equal(fit(deadlines, runMs, 0), 32);
});

test("those who have little time left do not make the batch of the others small", () => {
  assert.equal(fit([...all(8, 22), ...all(8, 29)], runMs, 0), 8);
});

test("where a run takes as long whatever its size nothing is gained by fewer", () => {
  assert.equal(
    fit(all(8, 40), () => 50, 0),
    8,
  );
});

test("what is not known to take any time takes none", () => {
  assert.equal(
    fit(all(8, 40), () => 0, 0),
    8,
  );
});
