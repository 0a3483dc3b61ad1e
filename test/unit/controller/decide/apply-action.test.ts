import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applicationAfter, applyAction } from "../../../../controller/decide/apply-action.ts";
import type { NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";

const R = "r1" as ReplicaId;
const application = applicationRecord([
  applicationSpec("app", { D: {} }),
  applicationSpec("app", { D: { version: "v2" } }),
]);
const state = clusterState({ applications: [application], nodes: [nodeRecord("n1")], replicas: [replicaRecord("r1")] });

describe("applying an action", () => {
  it("makes a replica, gives it a node, and takes it through to its end", () => {
    const id = "new" as ReplicaId;
    const deployment = idOf("app", "D");
    const create = { kind: "create", replica: id, deployment, version: "v2" as Version, reason: "surge" } as const;
    let next = applyAction(state, create, 5);
    assert.equal(next.replicas.get(id)?.createdAt, 5);
    next = applyAction(
      next,
      { kind: "pend", replica: id, pending: { reason: "full", nodes: [] }, reason: "nothingFits" },
      5,
    );
    assert.equal(next.replicas.get(id)?.pending?.reason, "full");
    next = applyAction(next, { kind: "bind", replica: id, node: "n1" as NodeId, gpus: ["g"], reason: "spread" }, 6);
    assert.deepEqual(next.replicas.get(id)?.gpus, ["g"]);
    assert.equal(next.replicas.get(id)?.pending, undefined);
    next = applyAction(next, { kind: "leave", replica: id, reason: "replaced" }, 7);
    assert.equal(next.replicas.get(id)?.desired, "leave");
    next = applyAction(next, { kind: "forget", replica: id, reason: "ended" }, 8);
    assert.equal(next.replicas.has(id), false);
  });

  it("leaves the state it was given as it was", () => {
    applyAction(state, { kind: "stop", replica: R, reason: "removed" }, 1);
    assert.equal(state.replicas.get(R)?.desired, "run");
  });

  it("changes nothing when what it is about is gone", () => {
    assert.equal(applyAction(state, { kind: "drain", replica: "gone" as ReplicaId, reason: "unlisted" }, 1), state);
  });

  it("promotes and gives up only the release that is still the target", () => {
    const name = application.name;
    assert.equal(
      applicationAfter(application, { kind: "promote", application: name, generation: 2, reason: "serving" })?.stable,
      2,
    );
    assert.equal(
      applicationAfter(application, { kind: "promote", application: name, generation: 1, reason: "serving" })?.stable,
      0,
    );
    const giveUp = {
      kind: "giveUp",
      application: name,
      generation: 2,
      deployment: idOf("app", "D"),
      fallback: 1,
      reason: "startsFailed",
      cause: "boom",
    } as const;
    assert.deepEqual(applicationAfter(application, giveUp)?.failure, { deployment: "app/D", reason: "boom" });
    assert.equal(applicationAfter(application, giveUp)?.stable, 1);
    const drop = { kind: "dropApplication", application: name, reason: "nothingLeft" } as const;
    assert.equal(applicationAfter(application, drop), application);
    assert.equal(applicationAfter({ ...application, isDeleting: true }, drop), undefined);
  });
});
