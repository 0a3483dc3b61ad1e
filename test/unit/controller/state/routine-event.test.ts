import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isRoutine } from "../../../../controller/state/routine-event.ts";
import type { NodeReport, ReplicaReport } from "../../../../core/assignment.ts";
import type { DeploymentId, NodeId } from "../../../../core/ids.ts";
import { clusterState, nodeRecord, replicaRecord, replicaReport } from "../../../fake/cluster-fixture.ts";

const node = "n1" as NodeId;
const record = nodeRecord("n1");
const state = clusterState({ nodes: [record], replicas: [replicaRecord("r1")] });
const heard = (change: Partial<NodeReport>, at = state): boolean =>
  isRoutine(at, { kind: "nodeHeard", node, report: { ...record.report, ...change } });
const reported = (id: string, change: Partial<ReplicaReport>): boolean =>
  isRoutine(state, { kind: "replicasReported", node, reports: [replicaReport(id, change)] });

describe("what a worker says", () => {
  it("is routine where it only lives, or its replicas are only busy or idle", () => {
    assert.equal(heard({}), true);
    assert.equal(reported("r1", {}), true);
    assert.equal(reported("r1", { ongoing: 3, utilisation: 0.5, reason: "loads a model" }), true);
  });

  it("is news when its routers have a table as the last of all", () => {
    assert.equal(heard({ tableVersion: 2_000 }), false);
    assert.equal(heard({ tableVersion: 2_000 }, clusterState({ nodes: [record, nodeRecord("n2")] })), true);
  });

  it("is news where its proxy has another address, or it was taken for gone", () => {
    assert.equal(heard({ httpUrl: "http://elsewhere" }), false);
    assert.equal(heard({}, clusterState({ nodes: [{ ...record, state: "suspect" }] })), false);
    assert.equal(heard({}, clusterState()), false);
  });

  it("is news where a replica is in another state, in another process, or one nobody knew", () => {
    assert.equal(reported("r1", { state: "failed" }), false);
    assert.equal(reported("r1", { failedStarts: 1 }), false);
    assert.equal(reported("r1", { address: { host: "127.0.0.1", port: 2 } }), false);
    assert.equal(reported("r2", {}), false);
  });
});

it("a value to scale by, and a policy's answer, are routine: they come all the time", () => {
  const deployment = "app/D" as DeploymentId;
  assert.equal(isRoutine(state, { kind: "metricTold", deployment, value: 1 }), true);
  const answer = { kind: "policyAnswered", deployment, target: 1, problem: "", askedAt: 0 } as const;
  assert.equal(isRoutine(state, answer), true);
});
