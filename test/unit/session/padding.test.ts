import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidRequestError, ModelError } from "../../../core/error.ts";
import { createPadding, paddedLength, sizesOf } from "../../../session/padding.ts";
import { ModelLoadError, type TensorInfo } from "../../../session/session.ts";
import { split, stack, stackKey } from "../../../session/stack.ts";
import type { CheckedFeeds } from "../../../session/tensor.ts";

const info = (name: string, dims: TensorInfo["dims"], type: TensorInfo["type"] = "int64"): TensorInfo => ({
  name,
  type,
  dims,
});

const INPUTS = [info("ids", ["batch", "tokens"]), info("mask", ["batch", "tokens"])];
const OUTPUTS = [info("hidden", ["batch", "tokens", 2], "float32"), info("pooled", ["batch", 2], "float32")];

function padding(pad: Record<string, number> = { ids: 7, mask: 0 }, inputs = INPUTS, outputs = OUTPUTS) {
  return createPadding({ name: "the model", pad, inputs, outputs });
}

function tokens(...ids: number[]): CheckedFeeds {
  const dims = [1, ids.length];
  return {
    ids: { data: BigInt64Array.from(ids, BigInt), dims, type: "int64" },
    mask: { data: new BigInt64Array(ids.length).fill(1n), dims, type: "int64" },
  };
}

test("items of different length have one key, and are filled up to the longest", () => {
  const plan = padding();
  const items = [tokens(1, 2), tokens(3, 4, 5)];
  assert.equal(stackKey(items[0] ?? {}, plan), stackKey(items[1] ?? {}, plan));
  const stacked = stack(items, plan);
  assert.deepEqual(stacked["ids"], { data: BigInt64Array.of(1n, 2n, 7n, 3n, 4n, 5n), dims: [2, 3], type: "int64" });
  assert.deepEqual(stacked["mask"]?.data, BigInt64Array.of(1n, 1n, 0n, 1n, 1n, 1n));
});

test("outputs of a padded size are cut back to each item's own, others are not", () => {
  const plan = padding();
  const parts = [tokens(1, 2), tokens(3, 4, 5)].map((feeds) => ({ rows: 1, sizes: sizesOf(feeds, plan) }));
  const hidden = { data: Float32Array.from({ length: 12 }, (_, at) => at), dims: [2, 3, 2] };
  const pooled = { data: Float32Array.of(1, 2, 3, 4), dims: [2, 2] };
  const [short, long] = split({ hidden, pooled }, parts, plan);
  assert.deepEqual(short?.["hidden"], { data: Float32Array.of(0, 1, 2, 3), dims: [1, 2, 2] });
  assert.deepEqual(short?.["pooled"], { data: Float32Array.of(1, 2), dims: [1, 2] });
  assert.deepEqual(long?.["hidden"]?.data, Float32Array.of(6, 7, 8, 9, 10, 11));
  assert.equal(short?.["hidden"]?.data.buffer.byteLength, 16, "nobody holds another's elements");
});

test("two dimensions are padded at once, also where items have several rows", () => {
  const inputs = [info("image", ["n", "height", "width"], "float32")];
  const plan = padding({ image: -1 }, inputs, [info("out", ["n", "height", "width"], "float32")]);
  const wide: CheckedFeeds = { image: { data: Float32Array.of(1, 2, 3), dims: [1, 1, 3], type: "float32" } };
  const high: CheckedFeeds = { image: { data: Float32Array.of(4, 5, 6, 7), dims: [2, 2, 1], type: "float32" } };
  const stacked = stack([wide, high], plan);
  const rows = [
    [1, 2, 3, -1, -1, -1],
    [4, -1, -1, 5, -1, -1],
    [6, -1, -1, 7, -1, -1],
  ];
  assert.deepEqual(stacked["image"], { data: Float32Array.from(rows.flat()), dims: [3, 2, 3], type: "float32" });
  const parts = [wide, high].map((feeds, at) => ({ rows: at + 1, sizes: sizesOf(feeds, plan) }));
  const out = { data: stacked["image"]?.data ?? [], dims: [3, 2, 3], type: "float32" } as const;
  assert.deepEqual(
    split({ out }, parts, plan).map((feeds) => feeds["out"]),
    [wide["image"], high["image"]],
  );
  assert.equal(paddedLength(sizesOf(high, plan)), 2);
});

test("inputs that are not padded still have to be equal to run together", () => {
  const inputs = [info("x", ["n", "tokens"]), info("y", ["n", "width"])];
  const plan = padding({ x: 0 }, inputs, [info("z", ["n", "width"])]);
  const feeds = (tokenCount: number, width: number): CheckedFeeds => ({
    x: { data: new BigInt64Array(tokenCount), dims: [1, tokenCount], type: "int64" },
    y: { data: new BigInt64Array(width), dims: [1, width], type: "int64" },
  });
  assert.equal(stackKey(feeds(2, 3), plan), stackKey(feeds(5, 3), plan));
  assert.notEqual(stackKey(feeds(2, 3), plan), stackKey(feeds(2, 4), plan));
});

test("tensors of one item that disagree about a padded size are refused, where padding would hide it", () => {
  const feeds = { ...tokens(1, 2, 3), mask: tokens(1, 2)["mask"] } as CheckedFeeds;
  assert.throws(
    () => sizesOf(feeds, padding()),
    (error) =>
      error instanceof InvalidRequestError && /input "mask": "tokens" is 2, and 3 in input "ids"/.test(error.message),
  );
});

test("an output that is not as long as the padded inputs cannot be cut back, and says so", () => {
  const plan = padding();
  const parts = [tokens(1), tokens(1, 2, 3)].map((feeds) => ({ rows: 1, sizes: sizesOf(feeds, plan) }));
  const hidden = { data: new Float32Array(16), dims: [2, 4, 2] };
  assert.throws(
    () => split({ hidden }, parts, plan),
    (error) => error instanceof ModelError && /"tokens" 3/.test(error.message),
  );
});

test("a model that cannot be padded as told says why when it is loaded, with every reason", () => {
  const cases: readonly [RegExp, Parameters<typeof padding>][] = [
    [/pad\.words: the model has no such input/, [{ words: 0 }]],
    [/input "mask" has dimension "tokens" too: name it in pad as well/, [{ ids: 0 }]],
    [/pad\.x: int64\[n, 4\] leaves no dimension but the first open/, [{ x: 0 }, [info("x", ["n", 4])], []]],
    [/pad\.x: string\[n, t\] holds strings/, [{ x: 0 }, [info("x", ["n", "t"], "string")], []]],
    [/pad\.x: uint8\[n, t\] cannot hold 300/, [{ x: 300 }, [info("x", ["n", "t"], "uint8")], []]],
    [/pad\.x: int64\[n, t\] cannot hold 0\.5/, [{ x: 0.5 }, [info("x", ["n", "t"])], []]],
    [/dimension "n" is that of its rows too/, [{ x: 0 }, [info("x", ["n", "n"])], []]],
    [
      /output "hidden" is float32\[batch, odd\], and no input/,
      [{ ids: 0, mask: 0 }, INPUTS, [info("hidden", ["batch", "odd"], "float32")]],
    ],
  ];
  for (const [expected, args] of cases) {
    assert.throws(
      () => padding(...args),
      (error) => error instanceof ModelLoadError && error.isPermanent && expected.test(error.message),
      String(expected),
    );
  }
  assert.throws(() => padding({ ids: 0, words: 0 }), /pad\.words.*; input "mask"/);
});

test("a nameless open dimension is padded for itself, and an output cannot be cut back by it", () => {
  const nameless = [info("x", ["n", ""])];
  assert.equal(
    paddedLength(
      sizesOf({ x: { data: new BigInt64Array(3), dims: [1, 3], type: "int64" } }, padding({ x: 0 }, nameless, [])),
    ),
    3,
  );
  assert.throws(() => padding({ x: 0 }, nameless, [info("y", ["n", ""])]), /output "y"/);
});
