import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidRequestError } from "../../../core/error.ts";
import type { Feeds, TensorInfo } from "../../../session/session.ts";
import { checkFeeds, copyFeeds } from "../../../session/tensor.ts";

const image: TensorInfo = { name: "image", type: "float32", dims: ["batch", 2] };
const strict = { allowNaN: false };

function problemOf(tensor: unknown, input: TensorInfo = image): string {
  try {
    checkFeeds({ [input.name]: tensor } as Feeds, [input], strict);
  } catch (error) {
    assert.ok(error instanceof InvalidRequestError);
    assert.equal(error.details.problems?.length, 1);
    return error.details.problems?.[0]?.message ?? "";
  }
  return assert.fail("it was let through");
}

test("tensors that fit are let through with the model's own type", () => {
  const checked = checkFeeds({ image: { data: Float32Array.of(1, 2), dims: [1, 2] } }, [image], strict);
  assert.equal(checked["image"]?.type, "float32");
});

const wrong: readonly [string, unknown, RegExp][] = [
  ["no tensor", null, /expected float32\[batch, 2\], got null/],
  ["a plain array of numbers", { data: [1, 2], dims: [1, 2] }, /got data in Array/],
  ["another array type", { data: Int32Array.of(1, 2), dims: [1, 2] }, /got data in Int32Array/],
  ["another declared type", { data: Float32Array.of(1, 2), dims: [1, 2], type: "int32" }, /got type int32/],
  ["no dims", { data: Float32Array.of(1, 2) }, /got no dims/],
  ["a negative size", { data: Float32Array.of(1, 2), dims: [-1, 2] }, /not all whole numbers/],
  ["a fractional size", { data: Float32Array.of(1, 2), dims: [0.5, 2] }, /not all whole numbers/],
  ["another rank", { data: Float32Array.of(1, 2), dims: [2] }, /got dims \[2\]/],
  ["another fixed size", { data: Float32Array.of(1, 2, 3), dims: [1, 3] }, /got dims \[1, 3\]/],
  ["an empty batch", { data: new Float32Array(0), dims: [0, 2] }, /hold nothing/],
  ["too few elements", { data: Float32Array.of(1, 2), dims: [2, 2] }, /need 4 elements, got 2/],
  ["NaN", { data: Float32Array.of(1, Number.NaN), dims: [1, 2] }, /element 1 is NaN/],
];

for (const [what, tensor, message] of wrong) {
  test(`${what} is refused, with what was expected`, () => {
    assert.match(problemOf(tensor), message);
  });
}

test("sizes whose product overflows are refused before anything is made of them", () => {
  const open: TensorInfo = { name: "x", type: "float32", dims: ["a", "b", "c"] };
  assert.match(
    problemOf({ data: new Float32Array(1), dims: [2 ** 30, 2 ** 30, 2 ** 30] }, open),
    /more than any tensor/,
  );
});

test("strings are checked one by one, and not taken for numbers", () => {
  const words: TensorInfo = { name: "words", type: "string", dims: ["n"] };
  assert.match(problemOf({ data: ["a", 1], dims: [2] }, words), /element 1 is not a string/);
  assert.match(problemOf({ data: Float32Array.of(1), dims: [1] }, words), /got data in Float32Array/);
});

test("all problems are listed: what is missing, what is unknown", () => {
  assert.throws(
    () => checkFeeds({ other: { data: Float32Array.of(1), dims: [1] } }, [image], strict),
    (error) => {
      assert.ok(error instanceof InvalidRequestError);
      assert.deepEqual(
        error.details.problems?.map(({ path, message }) => `${path}: ${message.split(";")[0]}`),
        ["image: missing", "other: unknown"],
      );
      return true;
    },
  );
});

test("NaN passes where it is allowed, and names on the prototype are not inputs", () => {
  const feeds = { image: { data: Float32Array.of(Number.NaN, 1), dims: [1, 2] } };
  assert.doesNotThrow(() => checkFeeds(feeds, [image], { allowNaN: true }));
  const inherited: TensorInfo = { name: "toString", type: "float32", dims: [1] };
  assert.throws(() => checkFeeds({}, [inherited], strict), /missing/);
});

test("a copy shares no memory", () => {
  const data = Float32Array.of(1, 2);
  const copy = copyFeeds(checkFeeds({ image: { data, dims: [1, 2] } }, [image], strict));
  const copied = copy["image"]?.data;
  assert.deepEqual(copied, data);
  assert.ok(copied instanceof Float32Array && copied.buffer !== data.buffer);
});
