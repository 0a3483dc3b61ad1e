import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonCopy } from "../../../sim/json-copy.ts";

test("a copy is what JSON makes of the value, and shares nothing with it", () => {
  const value = { a: undefined, b: [1, undefined, Number.NaN], c: { d: Infinity, e: -0 + 1, f: "ü" }, g: null };
  const copy = jsonCopy(value);
  assert.deepEqual(copy, JSON.parse(JSON.stringify(value)));
  assert.notEqual(copy.c, value.c);
  assert.notEqual(copy.b, value.b);
});

test("that holds for any plain data", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      // The one name that an assignment does not make a field of.
      fc.pre(!JSON.stringify(value).includes("__proto__"));
      assert.deepEqual(jsonCopy(value), JSON.parse(JSON.stringify(value)));
    }),
  );
});
