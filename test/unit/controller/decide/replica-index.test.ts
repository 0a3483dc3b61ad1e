import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplicaIndex } from "../../../../controller/decide/replica-index.ts";
import type { ReplicaRecord } from "../../../../controller/decide/cluster.ts";
import type { ApplicationName, NodeId } from "../../../../core/ids.ts";
import { idOf, replicaRecord } from "../../../fake/cluster-fixture.ts";

const [N1, N2] = ["n1" as NodeId, "n2" as NodeId];
const D = idOf("app", "D");
const ids = (group: ReadonlyMap<string, ReplicaRecord>): readonly string[] => [...group.keys()];

describe("the index of replicas", () => {
  it("finds them by application, by deployment and by node", () => {
    const other = replicaRecord("other", { deployment: idOf("shop", "D"), node: N2 });
    const index = ReplicaIndex.of([replicaRecord("a"), replicaRecord("b", { node: undefined }), other]);
    assert.deepEqual(ids(index.ofDeployment(D)), ["a", "b"]);
    assert.deepEqual(ids(index.ofApplication("shop" as ApplicationName)), ["other"]);
    assert.deepEqual(ids(index.ofNode(N1)), ["a"]);
    assert.deepEqual([...index.applications()], ["app", "shop"]);
    assert.equal(index.ofNode("none" as NodeId).size, 0);
  });

  it("follows one that moves to a node, and one that is gone", () => {
    const [before, after] = [replicaRecord("a", { node: undefined }), replicaRecord("a", { node: N2 })];
    const index = ReplicaIndex.of([before]);
    index.put(before, after);
    assert.equal(index.ofNode(N2).get(after.id), after);
    assert.equal(index.ofDeployment(D).get(after.id), after);
    index.remove(after);
    assert.deepEqual([...index.applications()], []);
    assert.equal(index.ofNode(N2).size, 0);
  });

  it("keeps a deployment's replicas by age until one of them changes", () => {
    const [old, young] = [replicaRecord("old", { createdAt: 1 }), replicaRecord("young", { createdAt: 2 })];
    const index = ReplicaIndex.of([young, old]);
    assert.deepEqual(index.oldestFirst(D), [old, young]);
    assert.equal(index.copy().oldestFirst(D), index.oldestFirst(D));
    const oldest = { ...young, createdAt: 0 };
    const copy = index.copy();
    copy.put(young, oldest);
    assert.deepEqual(copy.oldestFirst(D), [oldest, old]);
    copy.put(oldest, { ...oldest, createdAt: 3 });
    copy.remove(old);
    assert.deepEqual(copy.oldestFirst(D), [{ ...oldest, createdAt: 3 }]);
    assert.deepEqual(index.oldestFirst(D), [old, young]);
    assert.deepEqual(index.oldestFirst(idOf("app", "none")), []);
  });

  it("stays as it is when a copy of it changes, and shares with the copy what does not", () => {
    const [a, b] = [replicaRecord("a"), replicaRecord("b", { node: N2 })];
    const index = ReplicaIndex.of([a, b]);
    const copy = index.copy();
    copy.put(a, { ...a, node: N2 });
    copy.put(undefined, replicaRecord("c", { node: N1 }));
    assert.deepEqual([ids(index.ofNode(N1)), ids(index.ofNode(N2))], [["a"], ["b"]]);
    assert.deepEqual([ids(copy.ofNode(N1)), ids(copy.ofNode(N2))], [["c"], ["b", "a"]]);
    const another = index.copy();
    another.remove(a);
    assert.equal(another.ofNode(N2), index.ofNode(N2), "nothing changed there");
  });
});
