import assert from "node:assert/strict";
import { test } from "node:test";
import { admit, retryAfter, type AdmitInput } from "../../../../routing/decide/admit.ts";

/** 300 before it, 100 in the last second: three seconds to wait. */
const INPUT: AdmitInput = {
  queuedCount: 300,
  maxQueuedRequests: 1_000,
  aheadCount: 300,
  hasBelow: false,
  timeLeftMs: 3_100,
  leastMs: undefined,
  drain: { endedCount: 100, waitedMs: 1_000 },
};

test("a request waits where there is room and time", () => {
  assert.deepEqual(admit(INPUT), { kind: "wait", reason: "hasRoom" });
});

test("a request whose deadline comes before its turn is refused at once", () => {
  assert.deepEqual(admit({ ...INPUT, timeLeftMs: 2_900 }), { kind: "refuse", reason: "tooLate", waitMs: 3_000 });
});

test("what its answer takes is part of it, with a little to spare", () => {
  assert.equal(admit({ ...INPUT, timeLeftMs: 3_115, leastMs: 100 }).kind, "wait");
  assert.equal(admit({ ...INPUT, timeLeftMs: 3_105, leastMs: 100 }).kind, "refuse");
});

test("nobody is refused on little evidence, or with nobody before it", () => {
  const little = { endedCount: 19, waitedMs: 10_000 };
  assert.equal(admit({ ...INPUT, timeLeftMs: 1, drain: little }).kind, "wait");
  assert.equal(admit({ ...INPUT, timeLeftMs: 1, aheadCount: 0 }).kind, "wait");
});

test("a full queue refuses, unless something of a lower priority can make room", () => {
  const full = { ...INPUT, queuedCount: 1_000, aheadCount: 300 };
  assert.deepEqual(admit(full), { kind: "refuse", reason: "queueFull" });
  assert.deepEqual(admit({ ...full, hasBelow: true }), { kind: "pushOut", reason: "priority" });
  assert.equal(admit({ ...full, hasBelow: true, timeLeftMs: 1 }).kind, "refuse");
});

test("a client is to come back when what waits will have left, after one second to one minute", () => {
  assert.equal(retryAfter(250, INPUT.drain), 3);
  assert.equal(retryAfter(1, INPUT.drain), 1);
  assert.equal(retryAfter(100_000, INPUT.drain), 60);
  assert.equal(retryAfter(250, { endedCount: 0, waitedMs: 0 }), 1);
});
