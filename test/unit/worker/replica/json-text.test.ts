import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonText } from "../../../../worker/replica/json-text.ts";

test("what models give back becomes plain numbers, and the rest stays as it is", () => {
  const result = { scores: Float32Array.of(0.5, 1), id: 7n, at: new Date(0), none: null, gone: undefined };
  assert.equal(jsonText(result), '{"scores":[0.5,1],"id":7,"at":"1970-01-01T00:00:00.000Z","none":null}');
  assert.equal(jsonText(undefined), "null");
  assert.equal(result.scores.length, 2);
});

test("what has no JSON form is refused with its path, where JSON.stringify would leave it out or empty it", () => {
  const cases: [unknown, RegExp][] = [
    [() => 1, /^result is a function/],
    [{ rows: [1, Symbol("x")] }, /^result\.rows\[1\] is a symbol/],
    [{ byName: new Map([["a", 1]]) }, /^result\.byName is a Map/],
    [[new Set([1])], /^result\[0\] is a Set/],
    [{ big: 2n ** 60n }, /^result\.big is a bigint/],
    [new DataView(new ArrayBuffer(1)), /^result is a DataView/],
  ];
  for (const [value, message] of cases) assert.throws(() => jsonText(value), { name: "TypeError", message });
});

test("a result that contains itself is refused", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  assert.throws(() => jsonText(circle), TypeError);
});
