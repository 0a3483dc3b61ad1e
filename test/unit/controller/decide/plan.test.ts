import assert from "node:assert/strict";
import { it } from "node:test";
import { Plan } from "../../../../controller/decide/plan.ts";
import type { ReplicaId } from "../../../../core/ids.ts";
import { seededRandom } from "../../../../core/random.ts";
import { clusterState, replicaRecord } from "../../../fake/cluster-fixture.ts";

it("a plan sees the state as its actions so far leave it, and leaves the one it was given alone", () => {
  const given = clusterState({ replicas: [replicaRecord("r1")] });
  const plan = new Plan(given, 5, seededRandom(1));
  plan.add({ kind: "leave", replica: "r1" as ReplicaId, reason: "aboveTarget" });
  assert.equal(plan.state.replicas.get("r1" as ReplicaId)?.desired, "leave");
  assert.equal(given.replicas.get("r1" as ReplicaId)?.desired, "run");
  assert.equal(plan.actions.length, 1);
});
