import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deploymentStatus, type DeploymentStatusInput } from "../../../../controller/decide/deployment-status.ts";
import type { Version } from "../../../../core/ids.ts";
import { idOf, replicaRecord, replicaReport } from "../../../fake/cluster-fixture.ts";

function status(given: Partial<DeploymentStatusInput>) {
  return deploymentStatus({
    deployment: idOf("app", "D"),
    version: "v1" as Version,
    target: 1,
    isStable: true,
    failure: undefined,
    replicas: [],
    ...given,
  });
}
const ready = replicaRecord("r1");
const outdated = replicaRecord("r0", { version: "v0" as Version });
const starting = replicaRecord("r2", {
  report: replicaReport("r2", { state: "starting", reason: "loading ./m.onnx" }),
});
const crashed = replicaRecord("r3", { report: replicaReport("r3", { state: "failed", reason: "exited with code 1" }) });
const pending = replicaRecord("r4", {
  node: undefined,
  report: undefined,
  pending: { reason: "no node fits: needs 1 gpus", nodes: [] },
});

describe("the status of a deployment", () => {
  it("is healthy with as many ready as wanted", () => {
    assert.deepEqual(status({ replicas: [ready] }), { status: "healthy", reason: "" });
  });

  it("is updating while a version is new or an outdated one is left, and says what it waits for", () => {
    assert.deepEqual(status({ isStable: false, replicas: [starting] }), {
      status: "updating",
      reason: "0 of 1 replicas are ready; loading ./m.onnx",
    });
    assert.equal(status({ replicas: [ready, outdated] }).status, "updating");
    assert.match(status({ isStable: false, replicas: [pending] }).reason, /pending: no node fits: needs 1 gpus/);
  });

  it("is unhealthy when one crashed or none is ready, upscaling when more are on their way", () => {
    assert.deepEqual(status({ target: 2, replicas: [ready, crashed] }), {
      status: "unhealthy",
      reason: "1 of 2 replicas are ready; r3: exited with code 1",
    });
    assert.equal(status({ replicas: [] }).status, "unhealthy");
    assert.equal(status({ target: 2, replicas: [ready, starting] }).status, "upscaling");
  });

  it("is downscaling while surplus drains", () => {
    assert.equal(status({ replicas: [ready, replicaRecord("r9", { desired: "drain" })] }).status, "downscaling");
  });

  it("is failed with the cause when its release was given up for it", () => {
    assert.deepEqual(status({ failure: "app.ts:3: boom", replicas: [ready] }), {
      status: "deploy_failed",
      reason: "app.ts:3: boom",
    });
  });
});
