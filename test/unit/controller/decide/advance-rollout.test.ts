import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action } from "../../../../controller/decide/action.ts";
import { advanceRollout, besideOf, hasSwitched, stageOf } from "../../../../controller/decide/advance-rollout.ts";
import type { ApplicationRecord, ClusterState, Shift } from "../../../../controller/decide/cluster.ts";
import { Plan } from "../../../../controller/decide/plan.ts";
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
  replicaReport,
} from "../../../fake/cluster-fixture.ts";
import { rolloutSpec } from "../../../fake/rollout-fixture.ts";

const ID = idOf("app", "D");
const APP = "app" as ApplicationName;
const [V1, V2] = ["v1", "v2"] as Version[] as [Version, Version];
const CANARY = { strategy: "canary", steps: [10, 100], gateWindowMs: 10_000 } as const;
const shift = (percent: number, given: Partial<Shift> = {}): Shift => ({
  ...{ from: V1, to: V2, percent, match: [], since: 0, outcomes: [] },
  ...given,
});

function world(
  rollout: Partial<RolloutSpec>,
  given: { readonly record?: Partial<ApplicationRecord>; readonly serving?: number; readonly failing?: boolean } = {},
  rest: Partial<ClusterState> = {},
): ClusterState {
  const options = { rollout: rolloutSpec(rollout) };
  const specs = [V1, V2].map((version) => applicationSpec("app", { D: { version, replicas: 4, options } }));
  const record = applicationRecord(specs, { stable: 1, ...given.record });
  const replicas = [
    ...[1, 2, 3, 4].map((n) => replicaRecord(`o${n}`, { deployment: ID })),
    ...Array.from({ length: given.serving ?? 0 }, (_, n) => replicaRecord(`n${n}`, { deployment: ID, version: V2 })),
  ];
  if (given.failing === true) {
    const report = replicaReport("f", { version: V2, state: "failed", failedStarts: 9, reason: "boom at app.ts:3" });
    replicas.push(replicaRecord("f", { deployment: ID, version: V2, report }));
  }
  const targets = new Map([[ID, { target: 4, reason: "declared" as const }]]);
  return clusterState({ applications: [record], nodes: [nodeRecord("n1")], replicas }, { targets, ...rest });
}

function actions(state: ClusterState, now = 0): readonly Action[] {
  const plan = new Plan(state, now, seededRandom(1));
  advanceRollout(plan, APP);
  return plan.actions;
}

const short = (state: ClusterState, now = 0): string[] =>
  actions(state, now).map((action) => {
    if (action.kind === "shift") return `shift ${action.shift === undefined ? "over" : action.shift.percent}`;
    if (action.kind === "advance") return `advance ${action.to.stage.kind} ${action.reason}`;
    if (action.kind === "giveUp") return `giveUp ${action.reason} ${action.fallback}`;
    return action.kind === "askVerify" ? `askVerify ${action.askedOf}` : action.kind;
  });

const at = (
  kind: "starting" | "verifying" | "switched" | "rolling" | "step",
  scores = {},
): Partial<ApplicationRecord> => ({
  rollout: {
    generation: 2,
    isPaused: false,
    stages: { D: { stage: kind === "step" ? { kind, index: 0 } : { kind }, from: V1, scores } },
  },
});

describe("a rollout", () => {
  it("of a rolling deployment has no stages, and a first version none either", () => {
    assert.deepEqual(short(world({})), []);
    assert.deepEqual(short(world(CANARY, { record: { stable: 0 } })), []);
  });

  it("keeps users away from a new version that starts, and goes on when enough of it serves", () => {
    assert.deepEqual(short(world(CANARY)), ["shift 0"]);
    const shifts = new Map([[ID, shift(0)]]);
    assert.deepEqual(short(world(CANARY, { serving: 1 }, { shifts })), ["advance step serving", "shift 10"]);
  });

  it("gives a step its share and begins to watch anew", () => {
    const shifts = new Map([[ID, shift(0)]]);
    const state = world(CANARY, { record: at("step"), serving: 1 }, { shifts });
    assert.deepEqual(short(state, 5_000), ["shift 10"]);
    const watched = { shifts: new Map([[ID, shift(10, { since: 5_000 })]]) };
    assert.deepEqual(short(world(CANARY, { record: at("step"), serving: 1 }, watched), 14_999), []);
    assert.deepEqual(short(world(CANARY, { record: at("step"), serving: 1 }, watched), 15_000), [
      "advance rolling gatesHold",
      "shift over",
    ]);
  });

  it("goes back at once when a gate fails, and divides no requests any more", () => {
    const outcomes = [
      { version: V1, sent: 900, answered: 900, failed: 0, firstError: "", latencies: [] },
      { version: V2, sent: 100, answered: 100, failed: 30, firstError: "", latencies: [] },
    ];
    const shifts = new Map([[ID, shift(10, { outcomes })]]);
    const state = world(CANARY, { record: at("step"), serving: 1 }, { shifts });
    assert.deepEqual(short(state, 1_000), ["giveUp gateFailed 1", "shift over"]);
    const [first] = actions(state, 1_000);
    assert.match(first?.kind === "giveUp" ? first.cause : "", /errorRate 30.0 % \(30 of 100 requests\)/);
  });

  it("has the oldest replica that serves run verify, once, and takes its scores along", () => {
    const spec = { ...CANARY, hasVerify: true };
    const shifts = new Map([[ID, shift(0)]]);
    const state = world(spec, { record: at("verifying"), serving: 1 }, { shifts });
    assert.deepEqual(short(state), ["askVerify n0"]);
    const told = (outcome: object): Partial<ClusterState> => ({
      shifts,
      verifications: new Map([[ID, { version: V2, ...outcome } as never]]),
    });
    const verifying = { record: at("verifying"), serving: 1 };
    assert.deepEqual(short(world(spec, verifying, told({ kind: "asked" }))), []);
    const [passed] = actions(world(spec, verifying, told({ kind: "passed", scores: { accuracy: 0.97 } })));
    assert.deepEqual(passed?.kind === "advance" ? passed.to.scores : undefined, { accuracy: 0.97 });
    const refused = short(world(spec, verifying, told({ kind: "refused", cause: "wrong" })));
    assert.deepEqual(refused, ["giveUp verifyRefused 1", "shift over"]);
  });

  it("is given up when its version does not start", () => {
    assert.deepEqual(short(world({}, { failing: true })), ["giveUp startsFailed 1"]);
  });

  it("keeps the old version of a blue-green switch for keepOldMs after it", () => {
    const spec = { strategy: "blueGreen", keepOldMs: 60_000 } as const;
    const shifts = new Map([[ID, shift(100, { since: 1_000 })]]);
    const promoted = { record: { ...at("switched"), stable: 2 }, serving: 4 };
    assert.deepEqual(short(world(spec, promoted, { shifts }), 60_999), []);
    assert.deepEqual(short(world(spec, promoted, { shifts }), 61_000), [
      "advance rolling keptLongEnough",
      "shift over",
    ]);
    const state = world(spec, promoted, { shifts });
    const deployment = state.applications.get(APP)?.releases[0]?.spec.deployments[0];
    assert.ok(deployment !== undefined);
    assert.equal(hasSwitched(state, { id: ID, spec: deployment }, 10_999), false);
    assert.equal(hasSwitched(state, { id: ID, spec: deployment }, 11_000), true);
  });

  it("has two counts while two versions serve side by side", () => {
    const state = world(CANARY, { record: at("step") });
    const deployment = state.applications.get(APP)?.releases[0]?.spec.deployments[0];
    assert.ok(deployment !== undefined);
    const one = { id: ID, spec: deployment };
    assert.deepEqual(besideOf(state, one, stageOf(state, one), 0), { from: V1, oldCount: 4, newCount: 1 });
    assert.equal(besideOf(state, one, { stage: { kind: "rolling" }, from: V1, scores: {} }, 0), undefined);
  });

  it("leaves old replicas where they are while it is paused and the new ones do not serve yet", () => {
    const pending = replicaRecord("p", { deployment: ID, version: V2, node: undefined, report: undefined });
    const state = world({}, { record: { rollout: { generation: 2, isPaused: true, stages: {} } } });
    const replicas = new Map([...state.replicas, [pending.id, pending]]);
    const deployment = state.applications.get(APP)?.releases[0]?.spec.deployments[0];
    assert.ok(deployment !== undefined);
    const one = { id: ID, spec: deployment };
    const beside = besideOf({ ...state, replicas }, one, stageOf(state, one), 0);
    assert.deepEqual(beside, { from: V1, oldCount: 4, newCount: 1 });
  });

  it("waits for the version that serves to come back where another one had rolled over it, and divides nothing until then", () => {
    const state = world(CANARY);
    const other = [1, 2, 3, 4].map((n) => replicaRecord(`x${n}`, { deployment: ID, version: "v-between" as Version }));
    const replicas = new Map(other.map((replica) => [replica.id, replica]));
    assert.deepEqual(short({ ...state, replicas }), []);
    assert.deepEqual(short({ ...state, replicas: new Map([...replicas, ...state.replicas]) }), ["shift 0"]);
  });

  it("does not take a share back because the target grew, or a replica is being started again", () => {
    const watched = {
      shifts: new Map([[ID, shift(10)]]),
      targets: new Map([[ID, { target: 40, reason: "loadRose" as const }]]),
    };
    const steps = { ...CANARY, steps: [5, 10, 100] };
    const record = {
      rollout: {
        generation: 2,
        isPaused: false,
        stages: { D: { stage: { kind: "step" as const, index: 1 }, from: V1, scores: {} } },
      },
    };
    assert.deepEqual(short(world(steps, { record, serving: 1 }, watched), 1_000), []);
    assert.deepEqual(short(world(steps, { record, serving: 0 }, watched), 1_000), []);
  });

  it("divides each deployment's requests once in a turn, whatever became of the others", () => {
    const options = { rollout: rolloutSpec(CANARY) };
    const specs = [V1, V2].map((version) =>
      applicationSpec("app", { D: { version, replicas: 4, options }, E: { version, replicas: 4, options } }),
    );
    const other = idOf("app", "E");
    const stage = { stage: { kind: "step" as const, index: 0 }, from: V1, scores: {} };
    const rollout = { generation: 2, isPaused: false, stages: { D: stage, E: stage } };
    const outcomes = [{ version: V2, sent: 100, answered: 100, failed: 60, firstError: "", latencies: [] }];
    const replicas = [ID, other].map((deployment, n) => replicaRecord(`n${n}`, { deployment, version: V2 }));
    const state = clusterState(
      { applications: [applicationRecord(specs, { stable: 1, rollout })], nodes: [nodeRecord("n1")], replicas },
      {
        targets: new Map([ID, other].map((id) => [id, { target: 4, reason: "declared" as const }])),
        shifts: new Map([
          [ID, shift(0)],
          [other, shift(10, { outcomes })],
        ]),
      },
    );
    assert.deepEqual(short(state, 1_000), ["giveUp gateFailed 1", "shift over", "shift over"]);
  });

  it("goes back to what served whole when a gate fails, not to a release between that has the same version", () => {
    const options = { rollout: rolloutSpec(CANARY) };
    const more = { rollout: rolloutSpec(CANARY), maxQueuedRequests: 5 };
    const specs = [
      applicationSpec("app", { D: { version: V1, replicas: 4, options } }),
      applicationSpec("app", { D: { version: V2, replicas: 4, options } }),
      applicationSpec("app", { D: { version: V2, replicas: 4, options: more } }),
    ];
    const stages = { D: { stage: { kind: "step" as const, index: 0 }, from: V1, scores: {} } };
    const outcomes = [{ version: V2, sent: 100, answered: 100, failed: 60, firstError: "", latencies: [] }];
    const state = clusterState(
      {
        applications: [applicationRecord(specs, { stable: 1, rollout: { generation: 3, isPaused: false, stages } })],
        nodes: [nodeRecord("n1")],
        replicas: [replicaRecord("n0", { deployment: ID, version: V2 })],
      },
      {
        targets: new Map([[ID, { target: 4, reason: "declared" as const }]]),
        shifts: new Map([[ID, shift(10, { outcomes })]]),
      },
    );
    assert.deepEqual(short(state, 1_000), ["giveUp gateFailed 1", "shift over"]);
  });

  it("keeps requests with a header for the new version although its first step is 0", () => {
    const match = [{ header: "x-beta", value: "1" }];
    const spec = { ...CANARY, steps: [0, 100], match };
    const [first] = actions(world(spec, { record: at("step"), serving: 1 }));
    assert.deepEqual(first?.kind === "shift" ? first.shift : undefined, { from: V1, to: V2, percent: 0, match });
    const [before] = actions(world(spec, { record: at("starting") }));
    assert.deepEqual(before?.kind === "shift" ? before.shift?.match : undefined, []);
  });
});
