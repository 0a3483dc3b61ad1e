import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { demand, sumOf } from "../../../../controller/decide/demand.ts";
import { applicationRecord, applicationSpec, clusterState, replicaRecord } from "../../../fake/cluster-fixture.ts";

const resources = { cpus: 0.1, gpus: 2, memoryBytes: 0, custom: { tpu: 1 } };
const pending = { reason: "no node fits", nodes: [] };
const waiting = (id: string, createdAt: number) =>
  replicaRecord(id, { node: undefined, report: undefined, pending: { ...pending, reason: `for ${id}` }, createdAt });

describe("demand", () => {
  it("is what replicas that fit on no node need, by deployment, with the reason of the oldest", () => {
    const applications = [applicationRecord([applicationSpec("app", { D: { resources } })])];
    const replicas = [
      waiting("b", 2),
      waiting("a", 1),
      waiting("c", 3),
      replicaRecord("placed"),
      { ...waiting("leaving", 0), desired: "stop" as const },
    ];
    const found = demand(clusterState({ applications, replicas }));
    const each = { cpus: 0.1, gpus: 2, tpu: 1 };
    assert.deepEqual(found, [{ deployment: "app/D", count: 3, resources: each, beganAt: 1, reason: "for a" }]);
    assert.deepEqual(sumOf(found), { cpus: 0.3, gpus: 6, tpu: 3 });
    assert.deepEqual(sumOf([]), {});
  });
});
