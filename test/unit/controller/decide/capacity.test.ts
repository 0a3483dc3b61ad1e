import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { amountsOf, capacityOf, pickGpus, toUnits, UNITS } from "../../../../controller/decide/capacity.ts";
import type { NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  nodeRecord,
  nodeResources,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";

describe("capacity", () => {
  it("counts in whole units, so that three tenths are three times a tenth", () => {
    assert.equal(toUnits(0.1) + toUnits(0.2), toUnits(0.3));
    assert.deepEqual(
      [...amountsOf({ cpus: 0.5, memoryBytes: 7.6, custom: { licence: 1, none: 0 } })],
      [
        ["cpus", 5_000],
        ["memoryBytes", 8],
        ["licence", 10_000],
      ],
    );
  });

  it("takes off what replicas hold, draining ones included", () => {
    const spec = applicationSpec("app", { D: { resources: { cpus: 1, gpus: 0.5 } } });
    const state = clusterState({
      applications: [applicationRecord([spec])],
      nodes: [nodeRecord("n1", { resources: nodeResources({ gpus: ["g0", "g1"] }) })],
      replicas: [replicaRecord("a", { gpus: ["g0"] }), replicaRecord("b", { gpus: ["g0"], desired: "drain" })],
    });
    const capacity = capacityOf(state, "n1" as NodeId);
    assert.equal(capacity?.free.get("cpus"), 2 * UNITS);
    assert.deepEqual(capacity?.gpus, [
      { id: "g0", freeUnits: 0 },
      { id: "g1", freeUnits: UNITS },
    ]);
  });

  it("takes a replica that no release describes to hold its GPUs whole", () => {
    const nodes = [nodeRecord("n1", { resources: nodeResources({ gpus: ["g0"] }) })];
    const state = clusterState({ nodes, replicas: [replicaRecord("a", { gpus: ["g0"] })] });
    assert.equal(capacityOf(state, "n1" as NodeId)?.gpus[0]?.freeUnits, 0);
  });

  it("takes a replica of a version that is not kept any more to hold what its deployment's newest does", () => {
    const spec = applicationSpec("app", { D: { resources: { cpus: 1 } } });
    const state = clusterState({
      applications: [applicationRecord([spec])],
      nodes: [nodeRecord("n1")],
      replicas: [replicaRecord("a", { version: "forgotten" as Version })],
    });
    const all = capacityOf(state, "n1" as NodeId, "a" as ReplicaId)?.free.get("cpus") ?? 0;
    assert.equal(capacityOf(state, "n1" as NodeId)?.free.get("cpus"), all - UNITS);
  });

  it("packs shares onto the fullest GPU that has room, and whole ones onto free GPUs only", () => {
    const gpus = [
      { id: "a", freeUnits: UNITS },
      { id: "b", freeUnits: 5_000 },
      { id: "c", freeUnits: 3_000 },
    ];
    assert.deepEqual(pickGpus(gpus, 0.5), ["b"]);
    assert.deepEqual(pickGpus(gpus, 0.3), ["c"]);
    assert.deepEqual(pickGpus(gpus, 0.6), ["a"]);
    assert.deepEqual(pickGpus(gpus, 1), ["a"]);
    assert.equal(pickGpus(gpus, 2), undefined);
    assert.deepEqual(pickGpus([], 0), []);
  });
});
