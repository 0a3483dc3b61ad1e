import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvalidRequestError } from "../../../../core/error.ts";
import { decodeValue, encodeValue } from "../../../../proto/codec/value.ts";

/** Through the wire in one piece of memory of its own, as a large body arrives. */
function roundTrip(value: unknown): unknown {
  const bytes = Buffer.concat(encodeValue(value));
  const own = new Uint8Array(bytes.length);
  own.set(bytes);
  return decodeValue(own);
}

test("plain JSON travels as its own text", () => {
  assert.equal(Buffer.concat(encodeValue({ a: [1, "x", null, true] })).toString(), '{"a":[1,"x",null,true]}');
});

test("what JSON cannot hold arrives as what it was", () => {
  const value = {
    date: new Date(5),
    noDate: new Date(Number.NaN),
    map: new Map<unknown, unknown>([[{ a: 1 }, new Set([1n, undefined])]]),
    numbers: [Number.NaN, Infinity, -Infinity, -0, 0],
    missing: undefined,
    big: -12345678901234567890n,
    bytes: Uint8Array.of(1, 2, 3),
    floats: Float32Array.of(1.5, -2),
    buffer: Uint8Array.of(9, 8).buffer,
    bigs: BigInt64Array.of(-1n),
  };
  assert.deepEqual(roundTrip([value]), [value]);
  assert.equal(roundTrip(undefined), undefined);
});

test("a view of part of a buffer arrives as that part alone", () => {
  const part = new Float64Array(Float64Array.of(1, 2, 3).buffer, 8, 1);
  assert.deepEqual(roundTrip({ part }), { part: Float64Array.of(2) });
});

test("typed arrays are neither copied on the way out nor, from memory of their own, on the way in", () => {
  const floats = new Float32Array(10_000).fill(0.5);
  const parts = encodeValue([floats]);
  assert.ok(parts.some((part) => part.buffer === floats.buffer));
  const own = new Uint8Array(Buffer.concat(parts));
  const [back] = decodeValue(own) as [Float32Array];
  assert.deepEqual(back, floats);
  assert.equal(back.buffer, own.buffer);
});

test("a typed array in memory that others share gets memory of its own", () => {
  const chunk = Buffer.concat([Buffer.alloc(3), ...encodeValue([Uint8Array.of(1, 2)]), Buffer.alloc(64)]);
  const [back] = decodeValue(chunk.subarray(3, chunk.length - 64)) as [Uint8Array];
  assert.deepEqual(back, Uint8Array.of(1, 2));
  assert.equal(back.buffer.byteLength, 2);
});

test("a Buffer arrives as a Uint8Array", () => {
  assert.deepEqual(roundTrip([Buffer.from("hi")]), [Uint8Array.of(104, 105)]);
});

test("keys that mean something to us or to JavaScript are data", () => {
  const value = JSON.parse('{"__proto__":{"polluted":1},"$":"undefined","constructor":2}') as Record<string, unknown>;
  const back = roundTrip([value, undefined]) as [Record<string, unknown>];
  assert.deepEqual(Object.keys(back[0]), ["__proto__", "$", "constructor"]);
  assert.equal(back[0]["$"], "undefined");
  assert.equal(Object.getPrototypeOf(back[0]), Object.prototype);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  const nested = roundTrip({ value, big: 1n }) as { value: object };
  assert.deepEqual(Object.keys(nested.value), ["__proto__", "$", "constructor"]);
});

const refused: readonly [string, unknown, RegExp][] = [
  ["a function", { on: { done: () => {} } }, /^value\.on\.done is a function/],
  ["a class instance", [1, new (class Point {})()], /^value\[1\] is an instance of Point/],
  ["a symbol", { "not an identifier": Symbol("x") }, /^value\["not an identifier"\] is a symbol/],
  ["a promise", [Promise.resolve(1)], /^value\[0\] is a promise \(await it first\)/],
  ["an error", { e: new Error("x") }, /^value\.e is an instance of Error/],
  ["an object with toJSON", { at: { toJSON: () => 1 } }, /^value\.at\.toJSON is a function/],
  ["a view of an unknown kind", [new DataView(new ArrayBuffer(1))], /^value\[0\] is a DataView/],
];
for (const [name, value, message] of refused) {
  test(`${name} is refused with the path to it`, () => {
    assert.throws(
      () => encodeValue(value),
      (error) => error instanceof TypeError && message.test(error.message),
    );
  });
}

test("a cycle is refused, not followed for ever", () => {
  const value: Record<string, unknown> = { a: 1 };
  value["self"] = value;
  assert.throws(
    () => encodeValue(value, "arguments"),
    /^TypeError: arguments\.self\.self.*a cycle, or data nested deeper/,
  );
});

test("any plain data arrives as it was", () => {
  const leaf = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.double(),
    fc.bigInt(),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.date(),
    fc.uint8Array(),
    fc.float64Array(),
    fc.int16Array(),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, tie("list"), tie("record"), tie("map"), tie("set")),
    list: fc.array(tie("value"), { maxLength: 4 }),
    record: fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("$", "v", "__proto__")), tie("value"), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
    map: fc.array(fc.tuple(fc.string(), tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
    set: fc.uniqueArray(fc.string(), { maxLength: 3 }).map((items) => new Set(items)),
  }));
  fc.assert(
    fc.property(value, (given) => assert.deepStrictEqual(roundTrip(given), given)),
    { numRuns: 500 },
  );
});

test("bytes that nobody encoded are an InvalidRequestError, whatever they are", () => {
  const bytes = fc.uint8Array({ maxLength: 64 });
  const rich = bytes.map((tail) => Uint8Array.from([1, 0, 0, 0, 0, 0, 0, tail.length, ...tail]));
  const json = fc.json().map((text) => Uint8Array.from([1, 0, 0, 0, 0, 0, 0, text.length % 256, ...Buffer.from(text)]));
  fc.assert(
    fc.property(fc.oneof(bytes, rich, json), (given) => {
      try {
        decodeValue(given);
      } catch (error) {
        assert.ok(error instanceof InvalidRequestError);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("a tag with wrong contents is an InvalidRequestError", () => {
  const tags = [
    '{"$":"bytes","t":"Float32Array","o":0,"n":8}',
    '{"$":"map","v":3}',
    '{"$":"bytes","t":"constructor","o":0,"n":0}',
    '{"$":"x"}',
  ];
  for (const tag of tags) {
    const bytes = Uint8Array.from([1, 0, 0, 0, 0, 0, 0, tag.length, ...Buffer.from(tag)]);
    assert.throws(() => decodeValue(bytes), InvalidRequestError, tag);
  }
});
