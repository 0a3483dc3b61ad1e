import assert from "node:assert/strict";
import { test } from "node:test";
import { makeRoom, type RoomDecision, type RoomInput } from "../../../../sdk/decide/make-room.ts";

/** What is decided with room for five models of ten bytes each, one of which waits. */
function decided(more: Partial<RoomInput>): string {
  const decision: RoomDecision = makeRoom({
    maxModels: 5,
    maxBytes: Infinity,
    loadingCount: 0,
    loadedCount: 0,
    idleCount: 0,
    closingCount: 0,
    loadedBytes: 0,
    closingBytes: 0,
    usualBytes: 10,
    waitingCount: 1,
    ...more,
  });
  return "reason" in decision ? `${decision.kind} ${decision.reason}` : decision.kind;
}

test("a load begins where there is a place, and places of models that load or close are not free", () => {
  assert.equal(decided({}), "load");
  assert.equal(decided({ loadedCount: 2, loadingCount: 1, closingCount: 1 }), "load");
  assert.equal(decided({ loadedCount: 3, loadingCount: 1, closingCount: 1, idleCount: 3 }), "wait closing");
  assert.equal(decided({ waitingCount: 0 }), "wait nobodyWaits");
});

test("an idle model makes room, and one that is in use never does", () => {
  assert.equal(decided({ loadedCount: 5, idleCount: 1 }), "evict room");
  assert.equal(decided({ loadedCount: 5 }), "wait inUse");
});

test("no more models are closed than wait, and at most half of the room is exchanged at a time", () => {
  assert.equal(decided({ loadedCount: 4, closingCount: 1, idleCount: 4 }), "wait closing");
  assert.equal(decided({ loadedCount: 4, closingCount: 1, idleCount: 4, waitingCount: 2 }), "evict room");
  assert.equal(decided({ loadedCount: 3, loadingCount: 2, idleCount: 3 }), "wait loading");
  assert.equal(decided({ maxModels: 1, loadedCount: 1, idleCount: 1 }), "evict room");
});

test("a model counts with its usual size until it is loaded", () => {
  assert.equal(decided({ maxBytes: 30, loadedCount: 2, loadedBytes: 20 }), "load");
  assert.equal(decided({ maxBytes: 29, loadedCount: 2, loadedBytes: 20, idleCount: 1 }), "evict bytes");
  assert.equal(decided({ maxBytes: 29, loadedCount: 2, loadedBytes: 20 }), "wait inUse");
  assert.equal(
    decided({ maxBytes: 39, loadedCount: 2, loadedBytes: 20, loadingCount: 1, idleCount: 1 }),
    "evict bytes",
  );
  assert.equal(
    decided({ maxBytes: 29, loadedCount: 1, loadedBytes: 10, closingCount: 1, closingBytes: 10 }),
    "wait closing",
  );
});

test("a model that is too large by itself is loaded when it is alone, and kept until another is asked for", () => {
  assert.equal(decided({ maxBytes: 5 }), "load");
  const alone = { maxBytes: 5, loadedCount: 1, loadedBytes: 10, idleCount: 1 };
  assert.equal(decided({ ...alone, waitingCount: 0 }), "wait nobodyWaits");
  assert.equal(decided(alone), "evict bytes");
});

test("where all together turned out too large, idle ones go until they are not", () => {
  const over = { maxBytes: 30, loadedCount: 4, loadedBytes: 40, waitingCount: 0 };
  assert.equal(decided({ ...over, idleCount: 2 }), "evict bytes");
  assert.equal(decided({ ...over, idleCount: 0 }), "wait nobodyWaits");
  assert.equal(decided({ ...over, loadedCount: 3, loadedBytes: 30, idleCount: 2 }), "wait nobodyWaits");
});
