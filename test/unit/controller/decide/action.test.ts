import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Action, isStored, subjectOf } from "../../../../controller/decide/action.ts";
import type { ApplicationName, NodeId, ReplicaId } from "../../../../core/ids.ts";
import { idOf } from "../../../fake/cluster-fixture.ts";

describe("actions", () => {
  it("are stored first when they change what was asked for", () => {
    const application = "app" as ApplicationName;
    assert.equal(isStored({ kind: "promote", application, generation: 1, reason: "serving" }), true);
    assert.equal(isStored({ kind: "stop", replica: "r" as ReplicaId, reason: "removed" }), false);
  });

  it("name what they are about", () => {
    const node = "n" as NodeId;
    const actions: Action[] = [
      { kind: "recover", reason: "nodesReported" },
      { kind: "markNode", node, state: "lost", reason: "silent" },
      { kind: "setTarget", deployment: idOf("app", "D"), target: 1, reason: "declared" },
      { kind: "dropApplication", application: "app" as ApplicationName, reason: "nothingLeft" },
      { kind: "drain", replica: "r" as ReplicaId, reason: "unlisted" },
    ];
    assert.deepEqual(actions.map(subjectOf), ["controller", "n", "app/D", "app", "r"]);
  });
});
