import assert from "node:assert/strict";
import { test } from "node:test";
import { efficientSize, type KnownRuns } from "../../../../batching/decide/efficient-size.ts";

function known(runMs: (size: number) => number, sizes: readonly number[], deviation = 0): KnownRuns[] {
  return sizes.map((size) => ({ size, runMs: runMs(size), deviationMs: deviation * runMs(size), count: 10 }));
}

const SIZES = [1, 2, 4, 8, 16, 32, 64];

test("where each item costs as much a batch of one is as good as any", () => {
  assert.equal(efficientSize(known((size) => 5 * size, SIZES)), 1);
});

test("where a run costs as much whatever its size the largest is best", () => {
  assert.equal(efficientSize(known(() => 100, SIZES)), Number.POSITIVE_INFINITY);
});

test("it stops where a larger one buys less than three per cent", () => {
  // Up to 16 for nothing, from there each item costs as much.
  assert.equal(efficientSize(known((size) => Math.max(16, size), SIZES)), 16);
});

test("no size counts before one nearly twice as large was tried often enough", () => {
  assert.equal(efficientSize(known((size) => 5 * size, [4, 6])), Number.POSITIVE_INFINITY);
  const once = known((size) => 5 * size, [4, 8]).map((each) => (each.size === 8 ? { ...each, count: 1 } : each));
  assert.equal(efficientSize(once), Number.POSITIVE_INFINITY);
});

test("run times that vary leave larger sizes the benefit of the doubt", () => {
  assert.equal(efficientSize(known((size) => 5 * size, SIZES, 0.1)), Number.POSITIVE_INFINITY);
});

test("one run that took so long that nothing is known for sure leaves its size the benefit of the doubt", () => {
  const sizes = known((size) => 5 + size / 5, [32, 64]);
  assert.equal(efficientSize(sizes), Number.POSITIVE_INFINITY);
  const surprised = sizes.map((each) => (each.size === 64 ? { ...each, runMs: 110, deviationMs: 115 } : each));
  assert.equal(efficientSize(surprised), Number.POSITIVE_INFINITY);
});
