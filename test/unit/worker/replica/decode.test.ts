import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpRequestError, InvalidRequestError } from "../../../../core/error.ts";
import { decodeBody } from "../../../../worker/replica/decode.ts";

const JSON_TYPE = "application/json";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function refusal(text: string): string {
  try {
    decodeBody(JSON_TYPE, bytes(text));
  } catch (error) {
    assert.ok(error instanceof InvalidRequestError, String(error));
    return error.message;
  }
  return assert.fail(`${text.slice(0, 40)} was let through`);
}

test("JSON is decoded, whatever the type's parameters and suffix", () => {
  for (const type of [JSON_TYPE, "Application/JSON; charset=utf-8", "application/vnd.api+json", ""]) {
    assert.deepEqual(decodeBody(type, bytes('{"a": [1, "é", null]}')), { a: [1, "é", null] });
  }
});

test("bytes arrive as bytes at offset 0, so that they can be looked at as floats", () => {
  const memory = new Uint8Array(9);
  const decoded = decodeBody("application/octet-stream", memory.subarray(1)) as Uint8Array;
  assert.deepEqual([decoded.byteOffset, decoded.byteLength, decoded.buffer.byteLength], [0, 8, 8]);
});

test("another content type is unsupported", () => {
  assert.throws(
    () => decodeBody("text/plain", bytes("1")),
    (error) => error instanceof HttpRequestError && error.code === "unsupported_media_type",
  );
});

const broken: readonly [string, string, number][] = [
  ["an open object", '{"a": 1', 7],
  ["a missing colon", '{"a" 1}', 5],
  ["a missing comma", "[1 2]", 3],
  ["a trailing comma", "[1,]", 3],
  ["NaN", '{"a": NaN}', 6],
  ["Infinity", "[-Infinity]", 1],
  ["something after the value", "1 2", 2],
  ["a string without an end", '["abc', 5],
  ["a control character in a string", '["a\nb"]', 3],
  ["a wrong escape", '["\\x"]', 2],
  ["a leading zero", "[01]", 2],
  ["a number too large to be finite", "[1, 1e999]", 4],
  ["a number with too many digits to be finite", `[${"9".repeat(400)}]`, 1],
];

for (const [what, text, position] of broken) {
  test(`${what} is refused at its position, without repeating the text`, () => {
    const message = refusal(text);
    assert.ok(message.endsWith(`at position ${position}`), message);
  });
}

test("an empty body and one that is not UTF-8 are refused", () => {
  assert.match(refusal(""), /empty/);
  assert.throws(() => decodeBody(JSON_TYPE, Uint8Array.of(0x22, 0xff, 0x22)), /not valid UTF-8/);
});

test("64 levels are let through, the 65th and a million are not", () => {
  const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
  assert.doesNotThrow(() => decodeBody(JSON_TYPE, bytes(nested(64))));
  assert.match(refusal(nested(65)), /deeper than 64 levels, at position 64/);
  assert.match(refusal("[".repeat(1_000_000)), /deeper than 64/);
  assert.match(refusal('{"a":'.repeat(100)), /deeper than 64/);
});

test("brackets, quotes and exponents inside strings are text", () => {
  const value = { text: `${"[{".repeat(100)}\\" 1e999 ${"9".repeat(400)}`, more: "\\" };
  assert.deepEqual(decodeBody(JSON_TYPE, bytes(JSON.stringify(value))), value);
  assert.deepEqual(decodeBody(JSON_TYPE, bytes('{"true": [true, false, null, 1.5e3, -2E-2]}')), {
    true: [true, false, null, 1_500, -0.02],
  });
});

test("a broken body with a string of megabytes is still answered with a position", () => {
  const text = `["${"a".repeat(4_000_000)}", NaN]`;
  assert.match(refusal(text), /at position 4000005/);
});

test("__proto__ and constructor are keys like any other, and the last of two equal keys counts", () => {
  const decoded = decodeBody(JSON_TYPE, bytes('{"__proto__": {"admin": true}, "constructor": 1, "a": 1, "a": 2}'));
  assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
  assert.ok(Object.hasOwn(decoded as object, "__proto__"));
  assert.equal((decoded as { admin?: unknown }).admin, undefined);
  assert.equal((decoded as { a: number }).a, 2);
});
