import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applyAction } from "../../../../controller/decide/apply-action.ts";
import { fitsOn, place, Placer } from "../../../../controller/decide/place.ts";
import type { NodeId, ReplicaId } from "../../../../core/ids.ts";
import {
  type DeploymentGiven,
  applicationRecord,
  applicationSpec,
  clusterState,
  nodeRecord,
  nodeResources,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";

/** Places `count` new replicas one after the other; says on which node and GPUs each landed, or why nowhere. */
function placed(given: DeploymentGiven, count: number, nodes: ReturnType<typeof nodeRecord>[]): string[] {
  let state = clusterState({ applications: [applicationRecord([applicationSpec("app", { D: given })])], nodes });
  const where: string[] = [];
  for (let i = 0; i < count; i++) {
    const replica = replicaRecord(`r${i}`, { node: undefined, report: undefined, listed: undefined });
    state = { ...state, replicas: new Map(state.replicas).set(replica.id, replica) };
    const placement = place(state, replica);
    if (placement.kind === "pend") where.push(placement.pending.reason);
    else {
      where.push([placement.node, ...placement.gpus].join(" "));
      state = applyAction(state, { ...placement, replica: replica.id }, 0);
    }
  }
  return where;
}

describe("placement", () => {
  it("spreads six over three equal nodes, two each", () => {
    const nodes = ["n1", "n2", "n3"].map((id) => nodeRecord(id));
    assert.deepEqual(placed({}, 6, nodes).sort(), ["n1", "n1", "n2", "n2", "n3", "n3"]);
  });

  it("puts half GPUs two to a device, only where GPUs are, and says what is missing when they are full", () => {
    const nodes = [nodeRecord("n1"), nodeRecord("n2", { resources: nodeResources({ gpus: ["g0", "g1"] }) })];
    const where = placed({ resources: { gpus: 0.5 } }, 5, nodes);
    assert.deepEqual(where.slice(0, 4), ["n2 g0", "n2 g0", "n2 g1", "n2 g1"]);
    assert.match(where[4] ?? "", /^no node fits: .*needs 0\.5 gpus, the node has none; .*none with so much free/);
  });

  it("says for how many nodes a reason holds", () => {
    const nodes = [nodeRecord("n1"), nodeRecord("n2")];
    assert.deepEqual(placed({ resources: { cpus: 64 } }, 1, nodes), [
      "no node fits: needs 64 cpus, 4 of 4 free (on 2 nodes)",
    ]);
  });

  it("says so when there is no node at all", () => {
    assert.deepEqual(placed({}, 1, [nodeRecord("n1", { state: "lost" })]), ["no node is connected"]);
  });

  it("keeps to maxReplicasPerNode", () => {
    const where = placed({ placement: { maxReplicasPerNode: 1 } }, 3, [nodeRecord("n1"), nodeRecord("n2")]);
    assert.deepEqual(where.slice(0, 2), ["n1", "n2"]);
    assert.match(where[2] ?? "", /maxReplicasPerNode 1 is reached/);
  });

  it("places many in a row as one after the other, and says once for all why the rest does not fit", () => {
    const nodes = ["n1", "n2", "n3"].map((id) => nodeRecord(id, { resources: nodeResources({ cpus: 1 }) }));
    const given = { resources: { cpus: 0.4 } };
    const applications = [applicationRecord([applicationSpec("app", { D: given })])];
    const replicas = Array.from({ length: 8 }, (_, i) =>
      replicaRecord(`r${i}`, { node: undefined, report: undefined }),
    );
    let state = clusterState({ applications, nodes, replicas });
    const placer = new Placer(state);
    const placements = replicas.map((replica) => {
      const placement = placer.place(replica);
      if (placement.kind === "bind") {
        state = applyAction(state, { ...placement, replica: replica.id }, 0);
        placer.bound(state, replica, placement.node);
      }
      return placement;
    });
    const where = placements.map((one) => (one.kind === "bind" ? one.node : one.pending.reason));
    assert.deepEqual(where, placed(given, 8, nodes));
    assert.deepEqual(where.slice(0, 6), ["n1", "n2", "n3", "n1", "n2", "n3"]);
    assert.equal(placements[6], placements[7], "the same words for both");
  });

  it("tells whether a replica would fit where another is", () => {
    const applications = [applicationRecord([applicationSpec("app", { D: { resources: { cpus: 3 } } })])];
    const [old, next] = [replicaRecord("old"), replicaRecord("next", { node: undefined })];
    const nodes = [nodeRecord("n1"), nodeRecord("n2", { state: "suspect" })];
    const state = clusterState({ applications, nodes, replicas: [old, next] });
    assert.equal(place(state, next).kind, "pend");
    assert.equal(fitsOn(state, next, { node: "n1" as NodeId, without: old.id }), true);
    assert.equal(fitsOn(state, next, { node: "n1" as NodeId, without: "none" as ReplicaId }), false);
    assert.equal(fitsOn(state, next, { node: "n2" as NodeId, without: old.id }), false);
  });
});
