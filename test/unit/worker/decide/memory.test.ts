import assert from "node:assert/strict";
import { test } from "node:test";
import { MEMORY_RETIRE_AGE_MS } from "../../../../core/limits.ts";
import { memory } from "../../../../worker/decide/memory.ts";

const LIMIT = 1_000;

test("without a limit any amount is kept", () => {
  assert.deepEqual(memory({ usedBytes: 1e12, limitBytes: 0, baseBytes: 0, readyMs: 0, overCount: 5 }), {
    kind: "keep",
    overCount: 0,
    reason: "noLimit",
  });
});

test("above nine tenths of its limit a replica is to be replaced while it works", () => {
  assert.equal(memory({ usedBytes: 900, limitBytes: LIMIT, baseBytes: 300, readyMs: 0, overCount: 0 }).kind, "keep");
  assert.deepEqual(memory({ usedBytes: 901, limitBytes: LIMIT, baseBytes: 300, readyMs: 0, overCount: 1 }), {
    kind: "retire",
    overCount: 0,
    reason: "nearLimit",
  });
});

test("above its limit it is ended at the second look in a row", () => {
  const first = memory({ usedBytes: 1_001, limitBytes: LIMIT, baseBytes: 300, readyMs: 0, overCount: 0 });
  assert.deepEqual(first, { kind: "retire", overCount: 1, reason: "aboveLimit" });
  assert.equal(
    memory({ usedBytes: 1_001, limitBytes: LIMIT, baseBytes: 300, readyMs: 0, overCount: first.overCount }).kind,
    "end",
  );
});

test("one that was near its limit when it was ready is not replaced time and again, because the next would be there too", () => {
  const near = { usedBytes: 950, limitBytes: LIMIT, baseBytes: 930, overCount: 0 };
  assert.deepEqual(memory({ ...near, readyMs: 60_000 }), { kind: "keep", overCount: 0, reason: "nearFromStart" });
  assert.equal(memory({ ...near, readyMs: MEMORY_RETIRE_AGE_MS }).kind, "retire");
  const over = memory({ ...near, usedBytes: 1_001, readyMs: 60_000 });
  assert.deepEqual(over, { kind: "keep", overCount: 1, reason: "nearFromStart" });
  assert.equal(memory({ ...near, usedBytes: 1_001, readyMs: 60_000, overCount: 1 }).kind, "end");
});
