import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LOST_NODE_KEPT_MS, nodeLease } from "../../../../controller/decide/node-lease.ts";
import { NODE_LOST_AFTER_MS, NODE_SUSPECT_AFTER_MS } from "../../../../core/limits.ts";

const node = { state: "live", lastHeardAt: 0, isConnected: true } as const;

describe("the lease of a node", () => {
  it("goes from live to suspect to lost with silence", () => {
    assert.equal(nodeLease(node, NODE_SUSPECT_AFTER_MS - 1).state, "live");
    assert.equal(nodeLease(node, NODE_SUSPECT_AFTER_MS).state, "suspect");
    assert.deepEqual(nodeLease(node, NODE_LOST_AFTER_MS), { state: "lost", reason: "silent" });
  });

  it("is suspect at once when its stream broke, and no more than that until it was silent for long", () => {
    assert.deepEqual(nodeLease({ ...node, isConnected: false }, 1), { state: "suspect", reason: "disconnected" });
    assert.equal(nodeLease({ ...node, isConnected: false }, NODE_LOST_AFTER_MS).state, "lost");
  });

  it("is draining for as long as it is heard, when somebody asked for that", () => {
    const draining = { ...node, isDraining: true };
    assert.deepEqual(nodeLease(draining, 1), { state: "draining", reason: "drainAsked" });
    assert.equal(nodeLease({ ...draining, isConnected: false }, 1).state, "suspect");
  });

  it("stays lost until it registers again, and is forgotten in the end", () => {
    assert.equal(nodeLease({ ...node, state: "lost", lastHeardAt: 9_000 }, 9_001).state, "lost");
    assert.equal(nodeLease({ ...node, state: "lost" }, LOST_NODE_KEPT_MS).state, "forgotten");
  });
});
