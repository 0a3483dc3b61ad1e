import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drainNode, type DrainingReplica, drainTimeMs } from "../../../../controller/decide/drain-node.ts";

const replica = (given: Partial<DrainingReplica> = {}): DrainingReplica => ({
  drain: { beganAt: 0, deadlineAt: 120_000 },
  desired: "run",
  isReady: true,
  gracefulMs: 20_000,
  ...given,
});

describe("a replica of a draining node", () => {
  it("stays to be replaced until its graceful time before the deadline, then leaves all the same", () => {
    assert.equal(drainNode(replica(), 99_999).kind, "stay");
    assert.deepEqual(drainNode(replica(), 100_000), { kind: "leave", reason: "nodeDrains" });
  });

  it("keeps at most a third of a short time to finish, so that a replacement has two", () => {
    const drain = { beganAt: 0, deadlineAt: 30_000 };
    assert.equal(drainNode(replica({ drain }), 19_999).kind, "stay");
    assert.equal(drainNode(replica({ drain }), 20_000).kind, "leave");
    assert.equal(drainNode(replica({ drain: { beganAt: 5, deadlineAt: 5 } }), 5).kind, "leave");
  });

  it("is stopped where no router knows it, and left alone where it goes already", () => {
    assert.equal(drainNode(replica({ isReady: false }), 100_000).kind, "stop");
    for (const desired of ["leave", "drain", "stop"] as const) {
      assert.equal(drainNode(replica({ desired }), 200_000).kind, "stay");
    }
  });
});

it("a replica that drains has its graceful time, but not beyond the deadline of its node", () => {
  const drain = { beganAt: 0, deadlineAt: 30_000 };
  assert.equal(drainTimeMs(drain, 5_000, 20_000), 20_000);
  assert.equal(drainTimeMs(drain, 20_500, 20_000), 9_500);
  assert.equal(drainTimeMs(drain, 31_000, 20_000), 0);
  assert.equal(drainTimeMs({ beganAt: 0, deadlineAt: Number.POSITIVE_INFINITY }, 5, 20_000), 20_000);
  assert.equal(drainTimeMs(undefined, 5, 20_000), 20_000);
  assert.equal(drainTimeMs(drain, undefined, 20_000), 20_000);
});
