import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApplicationRecord, ClusterState } from "../../../../controller/decide/cluster.ts";
import { deploy } from "../../../../controller/decide/deploy.ts";
import { isKnown, unprovenDeployments, unprovenVersions } from "../../../../controller/decide/unproven-versions.ts";
import type { RolloutStage } from "../../../../controller/decide/rollout-stage.ts";
import { rolloutViews } from "../../../../controller/decide/rollout-view.ts";
import type { Version } from "../../../../core/ids.ts";
import type { RolloutSpec } from "../../../../core/spec.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";
import { rolloutSpec } from "../../../fake/rollout-fixture.ts";

const ID = idOf("app", "D");
const [V1, V2] = ["v1", "v2"] as Version[] as [Version, Version];
const FAILURE = { deployment: ID, reason: "verify refused the version" };

function world(rollout: Partial<RolloutSpec>, given: Partial<ApplicationRecord> = {}): ClusterState {
  const options = { rollout: rolloutSpec(rollout) };
  const specs = [V1, V2].map((version) => applicationSpec("app", { D: { version, replicas: 1, options } }));
  const record = applicationRecord(specs, { stable: 1, failure: FAILURE, ...given });
  const replicas = [V1, V2].map((version) => replicaRecord(`of-${version}`, { deployment: ID, version }));
  return clusterState({ applications: [record], replicas });
}

const reached = (stage: RolloutStage): Partial<ApplicationRecord> => ({
  rollout: { generation: 2, isPaused: false, stages: { D: { stage, from: V1, scores: {} } } },
});

describe("a version that was given up", () => {
  it("before it had passed its steps is unproven, and its replicas are told from the others", () => {
    const state = world({ strategy: "canary" }, reached({ kind: "step", index: 0 }));
    assert.deepEqual([...unprovenVersions(state, ID)], [V2]);
    const views = rolloutViews(state, { deployment: ID, wanted: V1 }, 0);
    assert.deepEqual(
      views.map(({ id, isUnproven }) => `${id} ${isUnproven}`),
      ["of-v1 false", "of-v2 true"],
    );
  });

  it("before anything of it was stored is unproven where it would have had steps", () => {
    assert.deepEqual([...unprovenVersions(world({ hasVerify: true }), ID)], [V2]);
    assert.deepEqual([...unprovenVersions(world({}), ID)], []);
  });

  it("while it took over replica by replica serves on until it is replaced", () => {
    assert.deepEqual([...unprovenVersions(world({ strategy: "canary" }, reached({ kind: "rolling" })), ID)], []);
  });

  it("is none where nothing was given up, or there is nothing to go back to", () => {
    assert.deepEqual([...unprovenVersions(world({ strategy: "canary" }, { failure: undefined }), ID)], []);
    assert.deepEqual([...unprovenVersions(world({ strategy: "canary" }, { stable: 0 }), ID)], []);
  });
});

describe("a version that another release replaced before it had passed its steps", () => {
  it("stays unproven in what is kept of it", () => {
    const [before] = world({ strategy: "canary" }, { failure: undefined }).applications.values();
    assert.ok(before !== undefined);
    assert.deepEqual(unprovenDeployments(before), ["D"]);
    const spec = applicationSpec("app", { D: { version: "v3" as Version, replicas: 1 } });
    const { record } = deploy(before, { spec, secrets: {} });
    assert.ok(record !== undefined);
    const applications = new Map([[record.name, record]]);
    assert.deepEqual([...unprovenVersions({ applications }, ID)], [V2]);
  });
});

describe("a version", () => {
  it("is known once a release with it has served whole", () => {
    const [record] = world({}).applications.values();
    const release = record?.releases[0];
    const spec = release?.spec.deployments[0];
    assert.ok(record !== undefined && release !== undefined && spec !== undefined);
    assert.equal(isKnown(record, spec), false);
    assert.equal(isKnown({ ...record, releases: [{ ...release, hasServed: true }] }, spec), true);
  });
});
