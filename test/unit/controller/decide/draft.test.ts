import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { indexOf, isSettled } from "../../../../controller/decide/cluster.ts";
import { StateDraft } from "../../../../controller/decide/draft.ts";
import type { NodeId, ReplicaId } from "../../../../core/ids.ts";
import { clusterState, idOf, nodeRecord, replicaRecord } from "../../../fake/cluster-fixture.ts";

const N1 = "n1" as NodeId;
const R = "r1" as ReplicaId;
const state = clusterState({ nodes: [nodeRecord("n1")], replicas: [replicaRecord("r1")] });

describe("a state in the making", () => {
  it("leaves the state it began from, and every snapshot, as they are", () => {
    const draft = new StateDraft(state);
    draft.putReplica(replicaRecord("r2"));
    const snapshot = draft.snapshot();
    draft.removeReplica(R);
    draft.putTarget(idOf("app", "D"), { target: 3, reason: "declared" });
    assert.deepEqual([...state.replicas.keys()], ["r1"]);
    assert.deepEqual([...snapshot.replicas.keys()], ["r1", "r2"]);
    assert.equal(snapshot.targets.size, 0);
    assert.deepEqual([...draft.snapshot().replicas.keys()], ["r2"]);
  });

  it("copies replicas once for many changes", () => {
    const draft = new StateDraft(state);
    draft.putReplica(replicaRecord("r2"));
    const { replicas } = draft.state;
    draft.putReplica(replicaRecord("r3"));
    draft.removeReplica(R);
    assert.equal(draft.state.replicas, replicas);
    assert.deepEqual([...replicas.keys()], ["r2", "r3"]);
  });

  it("is the same state for as long as nothing changes", () => {
    const draft = new StateDraft(state);
    draft.removeReplica("none" as ReplicaId);
    draft.removeNode("none" as NodeId);
    assert.equal(draft.snapshot(), state);
  });

  it("is found through its index whether that was made before a change or after it", () => {
    for (const isIndexed of [true, false]) {
      const from = clusterState({ replicas: [replicaRecord("r1")] });
      if (isIndexed) indexOf(from);
      const draft = new StateDraft(from);
      draft.putReplica(replicaRecord("r2"));
      assert.deepEqual([...indexOf(draft.state).ofNode(N1).keys()], ["r1", "r2"]);
      draft.putReplica(replicaRecord("r2", { node: "n2" as NodeId }));
      draft.removeReplica(R);
      assert.deepEqual([...indexOf(draft.state).ofNode(N1).keys()], []);
      assert.deepEqual(
        [
          ...indexOf(draft.snapshot())
            .ofNode("n2" as NodeId)
            .keys(),
        ],
        ["r2"],
      );
      assert.deepEqual([...indexOf(from).ofNode(N1).keys()], ["r1"]);
    }
  });

  it("takes it that routers have a table as soon as their nodes say so", () => {
    const draft = new StateDraft(state);
    const mark = { version: 2_000, at: 0 };
    assert.equal(isSettled(draft.state, mark, 1), false);
    const report = { httpUrl: "", reason: "", tableEpoch: 1, tableVersion: 2_000 };
    draft.putNode(nodeRecord("n1", { report }));
    assert.equal(isSettled(draft.state, mark, 1), true);
    draft.putNode(nodeRecord("n2"));
    assert.equal(isSettled(draft.state, mark, 1), false);
    draft.putNode(nodeRecord("n2", { state: "lost" }));
    assert.equal(isSettled(draft.state, mark, 1), true);
  });
});
