import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rolloutViews, servingCount } from "../../../../controller/decide/rollout-view.ts";
import type { NodeId, Version } from "../../../../core/ids.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  replicaRecord,
  replicaReport,
} from "../../../fake/cluster-fixture.ts";

const ID = idOf("app", "D");
const [V1, V2, LOST] = ["v1", "v2", "v0"] as Version[] as [Version, Version, Version];
const specs = [V1, V2].map((version) => applicationSpec("app", { D: { version } }));
const applications = [applicationRecord(specs, { stable: 1 })];

describe("a replica as its rollout sees it", () => {
  it("is unknown where no kept release has its version, and held only where a report may still want it", () => {
    const adopted = { deployment: ID, isAdopted: true };
    const replicas = [
      replicaRecord("a", { ...adopted, version: V2 }),
      replicaRecord("b", { ...adopted, version: V1 }),
      replicaRecord("c", { ...adopted, version: LOST }),
    ];
    const state = clusterState({ applications, replicas }, { graceUntil: 10 });
    const views = rolloutViews(state, { deployment: ID, wanted: V2 }, 5);
    assert.deepEqual(
      views.map(({ id, isUnknown, isHeld }) => `${id} ${isUnknown} ${isHeld}`),
      ["a false true", "b false false", "c true true"],
    );
    assert.ok(rolloutViews(state, { deployment: ID, wanted: V2 }, 11).every(({ isHeld }) => !isHeld));
  });

  it("leaves when its node drains, or when it asks to", () => {
    const retiring = replicaReport("b", { isRetiring: true });
    const replicas = [
      replicaRecord("a", { deployment: ID, node: "n2" as NodeId }),
      replicaRecord("b", { deployment: ID, report: retiring }),
      replicaRecord("c", { deployment: ID }),
    ];
    const drains = new Map([["n2" as NodeId, { beganAt: 0, deadlineAt: 9 }]]);
    const views = rolloutViews(clusterState({ applications, replicas }, { drains }), { deployment: ID, wanted: V1 }, 0);
    assert.deepEqual(
      views.map(({ leaving }) => leaving),
      ["nodeDrains", "retires", undefined],
    );
  });

  it("counts as serving in its version when it is ready and every router knows", () => {
    const replicas = [
      replicaRecord("a", { deployment: ID }),
      replicaRecord("b", { deployment: ID, version: V2 }),
      replicaRecord("c", { deployment: ID, listed: undefined }),
      replicaRecord("d", { deployment: ID, listed: { version: 2_000, at: 0 } }),
    ];
    const state = clusterState({ applications, nodes: [nodeRecord("n1")], replicas });
    assert.equal(servingCount(state, { deployment: ID, version: V1 }, 0), 1);
    assert.equal(servingCount(state, { deployment: ID, version: V2 }, 0), 1);
  });
});
