import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Asks } from "../../../../controller/act/asks.ts";
import { UserFunctions } from "../../../../controller/act/user-functions.ts";
import { type ClusterEvent, LiveState } from "../../../../controller/state/cluster-state.ts";
import type { ControllerMessage } from "../../../../core/assignment.ts";
import type { ApplicationName, NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import { POLICY_FAILURES_PER_REPLICA, VERIFY_AGAIN_MS } from "../../../../core/limits.ts";
import type { Answer } from "../../../../core/question.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";
import { autoscalingSpec } from "../../../fake/scaling-fixture.ts";

const ID = idOf("app", "D");
const V2 = "v2" as Version;

function bed(
  replicas = [replicaRecord("r1", { deployment: ID }), replicaRecord("r2", { deployment: ID, createdAt: 1 })],
) {
  const clock = new ManualClock();
  const autoscaling = { ...autoscalingSpec(), hasPolicy: true };
  const spec = applicationSpec("app", { D: { options: { autoscaling } }, Fixed: {} });
  const given = {
    applications: [applicationRecord([spec])],
    nodes: [nodeRecord("n1"), nodeRecord("n2", { isConnected: false })],
    replicas,
  };
  const state = new LiveState(clusterState(given), () => clock.now());
  const asked: Extract<ControllerMessage, { kind: "ask" }>[] = [];
  const streams = {
    send: (_: unknown, message: ControllerMessage) => message.kind === "ask" && asked.push(message) > 0,
  };
  const asks = new Asks({ clock, streams, epoch: 1 });
  const events: ClusterEvent[] = [];
  const onEvent = (event: ClusterEvent): void => {
    events.push(event);
    state.apply(event);
  };
  const functions = new UserFunctions({
    clock,
    log: new RecordingLog(),
    asks,
    current: () => state.snapshot(),
    onEvent,
  });
  const answer = async (at: number, given: Answer): Promise<void> => {
    asks.answered("n1" as never, asked[at]?.id ?? "", given);
    await new Promise(setImmediate);
  };
  return { clock, functions, asked, answer, events, state };
}

const ACTION = {
  kind: "askVerify",
  deployment: ID,
  askedOf: "r1" as ReplicaId,
  from: "v1" as Version,
  to: V2,
  timeoutMs: 5_000,
  reason: "serving",
} as const;

describe("verify", () => {
  it("becomes scores, a refusal with its cause, or nothing when its replica is gone", async () => {
    const { clock, functions, answer, events, asked } = bed();
    for (let i = 0; i < 3; i++) functions.verify(ACTION);
    assert.deepEqual(asked[0]?.question, { kind: "verify", oldVersion: "v1", newVersion: V2, timeoutMs: 5_000 });
    await answer(0, { kind: "verify", scores: { accuracy: 0.9 } });
    await answer(1, { kind: "failed", reason: "wrong label" });
    await answer(2, { kind: "failed", reason: "gone", isGone: true });
    clock.advance(VERIFY_AGAIN_MS);
    const outcomes = events.map((event) => (event.kind === "verified" ? event.outcome : event.kind));
    assert.deepEqual(outcomes, [
      { kind: "passed", scores: { accuracy: 0.9 } },
      { kind: "refused", cause: "wrong label" },
      undefined,
    ]);
  });

  it("is nothing where the replica is gone before it is asked, and that after a pause", () => {
    const { clock, functions, events } = bed([]);
    functions.verify(ACTION);
    clock.advance(VERIFY_AGAIN_MS - 1);
    assert.deepEqual(events, []);
    clock.advance(1);
    assert.deepEqual(events, [{ kind: "verified", deployment: ID, version: V2, outcome: undefined }]);
  });
});

describe("a scaling policy", () => {
  it("is asked of the oldest replica of the newest version once a second, one question at a time", async () => {
    const { clock, functions, asked, answer } = bed();
    functions.askPolicies();
    clock.advance(900);
    functions.askPolicies();
    assert.deepEqual(
      asked.map(({ replica }) => replica),
      ["r1"],
    );
    await answer(0, { kind: "policy", target: 3 });
    functions.askPolicies();
    assert.equal(asked.length, 1);
    clock.advance(100);
    functions.askPolicies();
    assert.equal(asked.length, 2);
  });

  it("is not asked of a replica whose node is not connected", () => {
    const far = { node: "n2" as NodeId };
    const { functions, asked } = bed([
      replicaRecord("r1", { deployment: ID, ...far }),
      replicaRecord("r2", { deployment: ID, createdAt: 1 }),
    ]);
    functions.askPolicies();
    assert.deepEqual(
      asked.map(({ replica }) => replica),
      ["r2"],
    );
  });

  it("that keeps failing is asked of the next replica, and stays with one that answers", async () => {
    const { clock, functions, asked, answer } = bed();
    for (let at = 0; at < 2 * POLICY_FAILURES_PER_REPLICA + 1; at++) {
      functions.askPolicies();
      const isWell = at === POLICY_FAILURES_PER_REPLICA;
      await answer(at, isWell ? { kind: "policy", target: 3 } : { kind: "failed", reason: "it did not answer" });
      clock.advance(1_000);
    }
    functions.askPolicies();
    assert.deepEqual(
      asked.map(({ replica }) => replica),
      [
        ...Array<string>(POLICY_FAILURES_PER_REPLICA).fill("r1"),
        ...Array<string>(POLICY_FAILURES_PER_REPLICA + 1).fill("r2"),
        "r1",
      ],
    );
  });

  it("is asked at once of an application that was gone in between", async () => {
    const { clock, functions, asked, answer, state } = bed();
    const application = state.current.applications.get("app" as ApplicationName) ?? assert.fail();
    functions.askPolicies();
    await answer(0, { kind: "policy", target: 3 });
    state.apply({ kind: "applicationRemoved", name: application.name });
    functions.askPolicies();
    clock.advance(100);
    state.apply({ kind: "applicationStored", application });
    functions.askPolicies();
    assert.equal(asked.length, 2);
  });

  it("that fails keeps its last answer, and the reason is known", async () => {
    const { clock, functions, answer, state } = bed();
    functions.askPolicies();
    await answer(0, { kind: "policy", target: 3 });
    clock.advance(1_000);
    functions.askPolicies();
    await answer(1, { kind: "failed", reason: "TypeError: no such figure" });
    assert.deepEqual(state.snapshot().policies.get(ID), { target: 3, problem: "TypeError: no such figure", at: 0 });
  });
});
