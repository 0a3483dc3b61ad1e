import assert from "node:assert/strict";
import { test } from "node:test";
import { ModelError } from "../../../core/error.ts";
import { rowsOf, split, stack, stackKey, type StackedPart } from "../../../session/stack.ts";
import type { CheckedFeeds } from "../../../session/tensor.ts";

const rows = (data: number[], dims: number[]): CheckedFeeds => ({
  x: { data: Float32Array.from(data), dims, type: "float32" },
});

const parts = (...rows: number[]): StackedPart[] => rows.map((count) => ({ rows: count, sizes: new Map() }));

test("rows are put one after the other and come apart again", () => {
  const stacked = stack([rows([1, 2], [1, 2]), rows([3, 4, 5, 6], [2, 2])]);
  assert.deepEqual(stacked, rows([1, 2, 3, 4, 5, 6], [3, 2]));
  const [first, second] = split({ y: { data: Float32Array.of(1, 2, 3), dims: [3] } }, parts(1, 2));
  assert.deepEqual(first, { y: { data: Float32Array.of(1), dims: [1] } });
  assert.deepEqual(second, { y: { data: Float32Array.of(2, 3), dims: [2] } });
});

test("strings and whole numbers are stacked too", () => {
  const words = (...data: string[]): CheckedFeeds => ({ w: { data, dims: [data.length], type: "string" } });
  assert.deepEqual(stack([words("a"), words("b", "c")]), words("a", "b", "c"));
  const ids = (value: bigint): CheckedFeeds => ({ i: { data: BigInt64Array.of(value), dims: [1], type: "int64" } });
  assert.deepEqual(stack([ids(1n), ids(2n)])["i"]?.data, BigInt64Array.of(1n, 2n));
});

test("feeds that differ beyond dimension 0 have different keys", () => {
  assert.equal(stackKey(rows([1, 2], [1, 2])), stackKey(rows([1, 2, 3, 4], [2, 2])));
  assert.notEqual(stackKey(rows([1, 2], [1, 2])), stackKey(rows([1, 2, 3], [1, 3])));
});

test("inputs that disagree about their rows, or have none, cannot be stacked", () => {
  const scalar: CheckedFeeds = { s: { data: Float32Array.of(1), dims: [], type: "float32" } };
  assert.equal(rowsOf(scalar), undefined);
  assert.equal(rowsOf({ ...rows([1, 2], [2, 1]), ...scalar }), undefined);
  assert.equal(rowsOf(rows([1, 2], [2, 1])), 2);
});

test("an output without a row per row belongs to nobody", () => {
  assert.throws(() => split({ mean: { data: Float32Array.of(1), dims: [] } }, parts(1, 1)), ModelError);
});
