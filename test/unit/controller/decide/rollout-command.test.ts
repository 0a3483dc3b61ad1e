import assert from "node:assert/strict";
import { it } from "node:test";
import type { ApplicationRecord } from "../../../../controller/decide/cluster.ts";
import { rolloutCommand, type RolloutCommand } from "../../../../controller/decide/rollout-command.ts";
import type { Version } from "../../../../core/ids.ts";
import { applicationRecord, applicationSpec, clusterState } from "../../../fake/cluster-fixture.ts";
import { rolloutSpec } from "../../../fake/rollout-fixture.ts";

const options = { rollout: rolloutSpec({ strategy: "canary" }) };
const specs = ["v1", "v2"].map((version) => applicationSpec("app", { D: { version, options }, Same: {} }));

function command(action: RolloutCommand, given: Partial<ApplicationRecord> = {}): ApplicationRecord | string {
  const record = applicationRecord(specs, { stable: 1, ...given });
  const decision = rolloutCommand(clusterState({ applications: [record] }), record, action);
  return decision.kind === "store" ? decision.record : decision.reason;
}

const stored = (result: ApplicationRecord | string): ApplicationRecord => {
  assert.ok(typeof result !== "string", String(result));
  return result;
};

it("a rollout is paused and resumed where it stands", () => {
  const paused = stored(command("pause"));
  assert.equal(paused.rollout?.isPaused, true);
  const stages = { D: { stage: { kind: "step" as const, index: 0 }, from: "v1" as Version, scores: {} } };
  const resumed = stored(command("resume", { rollout: { generation: 2, isPaused: true, stages } }));
  assert.deepEqual(resumed.rollout, { generation: 2, isPaused: false, stages });
});

it("a promoted rollout skips what is left of its steps, in the deployments that have a new version", () => {
  const { rollout } = stored(command("promote"));
  assert.deepEqual(rollout?.stages, { D: { stage: { kind: "rolling" }, from: "v1", scores: {} } });
});

it("a deployment is promoted whatever its name", () => {
  const given = ["v1", "v2"].map((version) => applicationSpec("app", { ["__proto__"]: { version, options } }));
  const record = applicationRecord(given, { stable: 1 });
  const decision = rolloutCommand(clusterState({ applications: [record] }), record, "promote");
  assert.ok(decision.kind === "store");
  assert.deepEqual(Object.keys(decision.record.rollout?.stages ?? {}), ["__proto__"]);
});

it("an aborted rollout is given up, and says by whom", () => {
  const aborted = stored(command("abort", { rollout: { generation: 2, isPaused: true, stages: {} } }));
  assert.deepEqual(aborted.failure, { deployment: "app/D", reason: "the rollout was aborted by hand" });
  assert.deepEqual(aborted.rollout, { generation: 2, isPaused: false, stages: {} });
});

it("what cannot be done says why", () => {
  assert.equal(command("pause", { stable: 2 }), "noRollout");
  assert.equal(command("abort", { stable: 0 }), "nothingBefore");
  assert.equal(command("resume", { isDeleting: true }), "deleting");
  assert.deepEqual(rolloutCommand(clusterState(), undefined, "pause"), { kind: "refuse", reason: "unknown" });
});
