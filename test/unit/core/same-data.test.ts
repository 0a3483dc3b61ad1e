import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSameData } from "../../../core/same-data.ts";
import { stableJson } from "../../../core/version.ts";

test("two values are the same exactly where their JSON text is, whatever the order of their fields", () => {
  const data = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(undefined, null, true, 0, 1, "", "a"),
      fc.array(
        tie("value").filter((item) => item !== undefined),
        { maxLength: 3 },
      ),
      fc.dictionary(fc.constantFrom("a", "b", "toString"), tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  fc.assert(
    fc.property(data, data, (one, other) => {
      assert.equal(isSameData({ one }, { one: other }), stableJson({ one }) === stableJson({ one: other }));
      assert.equal(isSameData(one, structuredClone(one)), true);
    }),
  );
});

test("a field that is undefined counts as missing, and what every object inherits is no field", () => {
  assert.equal(isSameData({ a: 1, b: undefined }, { a: 1 }), true);
  assert.equal(isSameData({ a: undefined }, { b: 1 }), false);
  assert.equal(isSameData({}, { constructor: Object }), false);
  assert.equal(isSameData(JSON.parse('{"__proto__":{}}'), { b: 1 }), false);
  assert.equal(isSameData([], {}), false);
  assert.equal(isSameData({ a: Number.NaN }, { a: Number.NaN }), true);
});
