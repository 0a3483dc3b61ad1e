import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recovery } from "../../../../controller/decide/recovery.ts";
import type { NodeId } from "../../../../core/ids.ts";
import { RECOVERY_REPORT_WAIT_MS } from "../../../../core/limits.ts";
import { nodeRecord } from "../../../fake/cluster-fixture.ts";

const expectedNodes = ["n1", "n2"] as NodeId[];
const nodes = new Map([nodeRecord("n1"), nodeRecord("n2")].map((node) => [node.id, node]));

describe("recovery after a start", () => {
  it("begins at once where nothing was known before", () => {
    assert.deepEqual(recovery({ startedAt: 0, expectedNodes: [], nodes: new Map() }, 0), {
      kind: "recover",
      reason: "nodesReported",
    });
  });

  it("waits for every known node, but not for ever", () => {
    const state = { startedAt: 0, expectedNodes, nodes: new Map() };
    assert.equal(recovery(state, RECOVERY_REPORT_WAIT_MS - 1).kind, "wait");
    assert.deepEqual(recovery(state, RECOVERY_REPORT_WAIT_MS), { kind: "recover", reason: "waitedLongEnough" });
    assert.deepEqual(recovery({ ...state, nodes }, 1), { kind: "recover", reason: "nodesReported" });
  });
});
