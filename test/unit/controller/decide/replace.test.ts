import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { replace } from "../../../../controller/decide/replace.ts";
import { RESTART_BACKOFF } from "../../../../core/limits.ts";
import { replicaRecord, replicaReport } from "../../../fake/cluster-fixture.ts";

const surroundings = { isNodeLost: false, isStable: true, isDescribed: true };
const failed = replicaReport("r", { state: "failed", failedStarts: 3 });

describe("replacing a replica", () => {
  it("forgets those of a lost node", () => {
    const step = replace({ ...surroundings, isNodeLost: true, replica: replicaRecord("r") }, 0);
    assert.deepEqual(step, { kind: "forget", reason: "nodeLost" });
  });

  it("forgets one whose process ended after its drain", () => {
    const replica = replicaRecord("r", { desired: "drain", report: replicaReport("r", { state: "stopped" }) });
    assert.deepEqual(replace({ ...surroundings, replica }, 0), { kind: "forget", reason: "ended" });
  });

  it("waits for the word of its worker that one is gone which crashed while it was to drain", () => {
    const replica = replicaRecord("r", { desired: "drain", report: replicaReport("r", { state: "failed" }) });
    assert.equal(replace({ ...surroundings, replica }, 1e9).kind, "keep");
  });

  it("leaves a crash to its worker, which restarts it", () => {
    const replica = replicaRecord("r", { report: replicaReport("r", { state: "failed", failedStarts: 0 }) });
    assert.equal(replace({ ...surroundings, replica }, 1e9).kind, "keep");
  });

  it("gives up one that drains and failed where no kept release says how to run it", () => {
    const report = replicaReport("r", { state: "failed" });
    const input = { ...surroundings, replica: replicaRecord("r", { desired: "drain", report }) };
    assert.equal(replace(input, 0).kind, "keep");
    assert.deepEqual(replace({ ...input, isDescribed: false }, 0), { kind: "forget", reason: "ended" });
  });

  it("tries another place once the worker has tried for long", () => {
    const replica = replicaRecord("r", { report: failed });
    assert.equal(replace({ ...surroundings, replica }, RESTART_BACKOFF.mostMs - 1).kind, "keep");
    assert.deepEqual(replace({ ...surroundings, replica }, RESTART_BACKOFF.mostMs), {
      kind: "stop",
      reason: "tryElsewhere",
    });
  });

  it("leaves a version that never served to its rollout", () => {
    const replica = replicaRecord("r", { report: failed });
    assert.equal(replace({ ...surroundings, isStable: false, replica }, 1e9).kind, "keep");
  });
});
