import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { subjectOf } from "../../../../controller/decide/action.ts";
import type { ApplicationRecord, ClusterState, ReplicaRecord } from "../../../../controller/decide/cluster.ts";
import { Plan } from "../../../../controller/decide/plan.ts";
import { rollApplication } from "../../../../controller/decide/roll-application.ts";
import type { ApplicationName, Version } from "../../../../core/ids.ts";
import { seededRandom } from "../../../../core/random.ts";
import type { RolloutSpec } from "../../../../core/spec.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";
import { rolloutSpec } from "../../../fake/rollout-fixture.ts";

const ID = idOf("app", "D");
const [V1, V2] = ["v1", "v2"] as Version[] as [Version, Version];

function world(
  rollout: Partial<RolloutSpec>,
  replicas: readonly ReplicaRecord[],
  record: Partial<ApplicationRecord> = {},
  rest: Partial<ClusterState> = {},
): ClusterState {
  const options = { rollout: rolloutSpec(rollout) };
  const specs = [V1, V2].map((version) => applicationSpec("app", { D: { version, replicas: 4, options } }));
  const targets = new Map([[ID, { target: 4, reason: "declared" as const }]]);
  const applications = [applicationRecord(specs, { stable: 1, ...record })];
  return clusterState({ applications, nodes: [nodeRecord("n1")], replicas }, { targets, ...rest });
}

const many = (count: number, version: Version, prefix: string): ReplicaRecord[] =>
  Array.from({ length: count }, (_, n) => replicaRecord(`${prefix}${n}`, { deployment: ID, version }));

function run(state: ClusterState, now = 0): string[] {
  const plan = new Plan(state, now, seededRandom(1));
  rollApplication(plan, "app" as ApplicationName, [...state.targets.keys()]);
  return plan.actions.map((action) =>
    action.kind === "create" ? `create ${action.version}` : `${action.kind} ${subjectOf(action)}`,
  );
}

describe("an application on its way to a new version", () => {
  it("keeps all of the old one beside the canary's few", () => {
    const canary = { strategy: "canary", steps: [25, 100] } as const;
    assert.deepEqual(run(world(canary, many(4, V1, "o"))), ["shift app/D", "create v2"]);
    // A replica of the old version is lost meanwhile: it is made up for.
    const state = world(canary, [...many(3, V1, "o"), ...many(1, V2, "n")]);
    assert.deepEqual(run(state), ["advance app/D", "shift app/D", "create v1"]);
  });

  it("drops the new version's replicas in the tick that gives it up", () => {
    const outcomes = [{ version: V2, sent: 100, answered: 100, failed: 60, firstError: "", latencies: [] }];
    const shifts = new Map([[ID, { from: V1, to: V2, percent: 25, match: [], since: 0, outcomes }]]);
    const stages = { D: { stage: { kind: "step" as const, index: 0 }, from: V1, scores: {} } };
    const rollout = { generation: 2, isPaused: false, stages };
    const replicas = [...many(4, V1, "o"), ...many(1, V2, "n")];
    const state = world({ strategy: "canary", steps: [25, 100] }, replicas, { rollout }, { shifts });
    assert.deepEqual(run(state, 1_000), ["giveUp app", "shift app/D", "leave n0"]);
  });

  it("is whole when the blue-green switch was watched for long enough, although the old set stands by", () => {
    const spec = { strategy: "blueGreen", gateWindowMs: 5_000 } as const;
    const shifts = new Map([[ID, { from: V1, to: V2, percent: 100, match: [], since: 0, outcomes: [] }]]);
    const stages = { D: { stage: { kind: "switched" as const }, from: V1, scores: {} } };
    const rollout = { generation: 2, isPaused: false, stages };
    const both = [...many(4, V1, "o"), ...many(4, V2, "n")];
    assert.deepEqual(run(world(spec, both, { rollout }, { shifts }), 4_999), []);
    assert.deepEqual(run(world(spec, both, { rollout }, { shifts }), 5_000), ["promote app"]);
    const promoted = { rollout, stable: 2 };
    assert.deepEqual(run(world(spec, both, promoted, { shifts }), 6_000), [], "the old set is kept");
  });

  it("keeps what serves when the controller that knew of its promotion was lost and another version is deployed at once", () => {
    // The second version serves, and only the first is known to have been promoted; no target is known yet.
    const third = "v3" as Version;
    const options = { rollout: rolloutSpec({ strategy: "canary", steps: [25, 100] }) };
    const specs = [V1, V2, third].map((version) => applicationSpec("app", { D: { version, replicas: 4, options } }));
    const replicas = many(4, V2, "s").map((replica) => ({ ...replica, isAdopted: true }));
    const applications = [applicationRecord(specs, { stable: 1, target: 3 })];
    const nodes = [nodeRecord("n1")];
    for (const isRouted of [true, false]) {
      const known = isRouted ? replicas : replicas.map((replica) => ({ ...replica, listed: undefined }));
      const actions = run(clusterState({ applications, nodes, replicas: known }, { targets: new Map() }));
      assert.deepEqual(
        actions.filter((action) => /^(leave|stop|drain|shift)/.test(action)),
        [],
        `all of the second version's replicas stay (${actions.join(", ")})`,
      );
    }
  });

  it("keeps what serves then also where the count of another of its deployments is known already", () => {
    const other = idOf("app", "E");
    const third = "v3" as Version;
    const options = { rollout: rolloutSpec({ strategy: "canary", steps: [25, 100] }) };
    const specs = [V1, V2, third].map((version) =>
      applicationSpec("app", { D: { version, replicas: 4, options }, E: { version: "e", replicas: 1 } }),
    );
    const others = [replicaRecord("e0", { deployment: other, version: "e" as Version })];
    const replicas = [...many(4, V2, "s"), ...others].map((one) => ({ ...one, isAdopted: true }));
    const applications = [applicationRecord(specs, { stable: 1, target: 3 })];
    const targets = new Map([[other, { target: 1, reason: "restored" as const }]]);
    const actions = run(clusterState({ applications, nodes: [nodeRecord("n1")], replicas }, { targets }));
    assert.deepEqual(
      actions.filter((action) => /^(leave|stop|drain|shift)/.test(action)),
      [],
    );
  });

  it("takes a new version's replica away while the version that it is compared with has to come back first", () => {
    // The controller was lost after it had begun: what serves is of a release between, and no share keeps users from the new one.
    const third = "v3" as Version;
    const options = { rollout: rolloutSpec({ strategy: "canary", steps: [25, 100] }) };
    const specs = [V1, V2, third].map((version) => applicationSpec("app", { D: { version, replicas: 4, options } }));
    const replicas = [...many(3, V2, "s"), ...many(1, third, "n")].map((one) => ({ ...one, isAdopted: true }));
    const applications = [applicationRecord(specs, { stable: 1, target: 3 })];
    const state = clusterState({ applications, nodes: [nodeRecord("n1")], replicas }, { targets: new Map() });
    const actions = run(state).filter((action) => /^(leave|stop|drain|shift)/.test(action));
    assert.deepEqual(actions, ["leave n0"]);
  });

  it("stays where it is while it is paused on its way, and replaces only what is lost", () => {
    const rollout = { generation: 2, isPaused: true, stages: {} };
    const half = [...many(3, V1, "o"), ...many(1, V2, "n")];
    assert.deepEqual(run(world({}, half, { rollout })), []);
    assert.deepEqual(run(world({}, half.slice(1), { rollout })), ["create v1"]);
    assert.deepEqual(run(world({}, many(4, V2, "n"), { rollout })), [], "and is not promoted");
  });
});
