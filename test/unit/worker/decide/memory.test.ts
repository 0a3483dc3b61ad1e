import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "../../../../worker/decide/memory.ts";

const LIMIT = 1_000;

test("without a limit any amount is kept", () => {
  assert.deepEqual(memory({ usedBytes: 1e12, limitBytes: 0, overCount: 5 }), {
    kind: "keep",
    overCount: 0,
    reason: "noLimit",
  });
});

test("above nine tenths of its limit a replica is to be replaced while it works", () => {
  assert.equal(memory({ usedBytes: 900, limitBytes: LIMIT, overCount: 0 }).kind, "keep");
  assert.deepEqual(memory({ usedBytes: 901, limitBytes: LIMIT, overCount: 1 }), {
    kind: "retire",
    overCount: 0,
    reason: "nearLimit",
  });
});

test("above its limit it is ended at the second look in a row", () => {
  const first = memory({ usedBytes: 1_001, limitBytes: LIMIT, overCount: 0 });
  assert.deepEqual(first, { kind: "retire", overCount: 1, reason: "aboveLimit" });
  assert.equal(memory({ usedBytes: 1_001, limitBytes: LIMIT, overCount: first.overCount }).kind, "end");
});
