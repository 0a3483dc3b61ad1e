import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  effectiveRelease,
  isFailing,
  isServing,
  isSettled,
  releaseWith,
  routedRelease,
} from "../../../../controller/decide/cluster.ts";
import type { Version } from "../../../../core/ids.ts";
import { TABLE_ACK_TIMEOUT_MS } from "../../../../core/limits.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  replicaRecord,
  replicaReport,
} from "../../../fake/cluster-fixture.ts";

const one = applicationSpec("app", { D: { version: "v1" } });
const two = applicationSpec("app", { D: { version: "v2" } });
const report = { httpUrl: "", reason: "", tableEpoch: 1, tableVersion: 6 };

describe("what a cluster's state means", () => {
  it("the effective release is the target, and the stable one once the target was given up", () => {
    const failure = { deployment: idOf("app", "D"), reason: "boom" };
    assert.equal(effectiveRelease(applicationRecord([one, two], { stable: 1 }))?.generation, 2);
    assert.equal(effectiveRelease(applicationRecord([one, two], { stable: 1, failure }))?.generation, 1);
    assert.equal(effectiveRelease(applicationRecord([one], { failure }))?.generation, 1);
  });

  it("the route stays with the release that serves", () => {
    assert.equal(routedRelease(applicationRecord([one, two], { stable: 1 }))?.generation, 1);
    assert.equal(routedRelease(applicationRecord([one]))?.generation, 1);
  });

  it("a version is described by whichever kept release has it", () => {
    const state = clusterState({ applications: [applicationRecord([one, two])] });
    assert.equal(releaseWith(state, idOf("app", "D"), "v1" as Version)?.release.generation, 1);
    assert.equal(releaseWith(state, idOf("app", "D"))?.release.generation, 2);
    assert.equal(releaseWith(state, idOf("app", "D"), "v9" as Version), undefined);
  });

  it("a table is settled once every reachable node uses it, or after the time-out", () => {
    const mark = { version: 7, at: 100 };
    const behind = clusterState({ nodes: [nodeRecord("n1", { report })] });
    assert.equal(isSettled(behind, mark, 200), false);
    assert.equal(isSettled(behind, mark, 100 + TABLE_ACK_TIMEOUT_MS), true);
    const lost = clusterState({ nodes: [nodeRecord("n1", { report, state: "lost" })] });
    assert.equal(isSettled(lost, mark, 200), true);
    const otherEpoch = clusterState({
      nodes: [nodeRecord("n1", { report: { ...report, tableEpoch: 0, tableVersion: 99 } })],
    });
    assert.equal(isSettled(otherEpoch, mark, 200), false);
    assert.equal(isSettled(behind, undefined, 9_999), false);
  });

  it("a replica serves when it is ready and every router knows it", () => {
    const state = clusterState({ nodes: [nodeRecord("n1", { report })] });
    assert.equal(isServing(state, replicaRecord("r", { listed: { version: 6, at: 0 } }), 1), true);
    assert.equal(isServing(state, replicaRecord("r", { listed: { version: 7, at: 0 } }), 1), false);
    assert.equal(isServing(state, replicaRecord("r", { desired: "leave" }), 1), false);
  });

  it("a replica that crashed after it was ready is not failing, one whose start failed is", () => {
    const crashed = replicaReport("r", { state: "failed", failedStarts: 0 });
    const failed = replicaReport("r", { state: "starting", failedStarts: 1 });
    assert.equal(isFailing(replicaRecord("r", { report: crashed })), false);
    assert.equal(isFailing(replicaRecord("r", { report: failed })), true);
  });
});
