import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DecisionLog } from "../../../../controller/act/decision-log.ts";
import type { ReplicaId, Version } from "../../../../core/ids.ts";
import { clusterState, idOf, replicaRecord } from "../../../fake/cluster-fixture.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";

const deployment = idOf("app", "D");

describe("the decision log", () => {
  it("shows a deployment's last decisions with their reasons, oldest first, and no more than fifty", () => {
    const decisions = new DecisionLog(new ManualClock());
    const state = clusterState({ replicas: [replicaRecord("r1")] });
    for (let i = 0; i < 60; i++) {
      decisions.add(
        { kind: "create", replica: `r${i}` as ReplicaId, deployment, version: "v" as Version, reason: "surge" },
        state,
        state,
      );
    }
    decisions.add({ kind: "leave", replica: "r1" as ReplicaId, reason: "replaced" }, state, state);
    const shown = decisions.of(deployment);
    assert.equal(shown.length, 50);
    const last = shown.at(-1);
    assert.deepEqual([last?.action, last?.subject, last?.reason], ["leave", "r1", "replaced"]);
  });
});
