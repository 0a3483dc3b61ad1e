import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applyAction } from "../../../../controller/decide/apply-action.ts";
import { autoscaled, LONGEST_START_MS, METRIC_STALE_MS } from "../../../../controller/decide/autoscaled.ts";
import type { ClusterState, TargetReason } from "../../../../controller/decide/cluster.ts";
import { withLoads } from "../../../../controller/decide/loads.ts";
import { reconcile } from "../../../../controller/decide/reconcile.ts";
import { applyEvent } from "../../../../controller/state/cluster-state.ts";
import { seededRandom } from "../../../../core/random.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";
import { autoscalingSpec } from "../../../fake/scaling-fixture.ts";

const ID = idOf("app", "D");
const METRIC = { name: "lag", targetPerReplica: 10, url: undefined };
const spec = applicationSpec("app", {
  D: { options: { autoscaling: autoscalingSpec({ minReplicas: 1, maxReplicas: 9, metric: METRIC }) } },
});
const [deployment] = spec.deployments;

function decide(rest: Partial<ClusterState>, now: number): string | undefined {
  assert.ok(deployment !== undefined);
  const given = { applications: [applicationRecord([spec])], replicas: [replicaRecord("a", { deployment: ID })] };
  let state = clusterState(given, rest);
  for (let at = 500; at <= now; at += 500) state = { ...state, ...withLoads(state, { loads: [], ms: 500 }, at) };
  const decision = autoscaled(state, { id: ID, spec: deployment }, now);
  return decision && `${decision.target} ${decision.reason}`;
}

describe("a deployment that scales by itself", () => {
  it("goes on from the count it had, also that of a controller before; a failed start is no count", () => {
    const has = (target: number, reason: TargetReason): Partial<ClusterState> => ({
      targets: new Map([[ID, { target, reason }]]),
    });
    assert.equal(decide(has(4, "restored"), 1_000), "4 restored");
    assert.equal(decide(has(4, "loadRose"), 1_000), "4 loadRose");
    assert.equal(decide(has(5, "declared"), 1_000), "5 declared", "it had a fixed count before");
    assert.equal(decide(has(0, "startFailed"), 1_000), "1 initial");
    assert.equal(decide({}, 1_000), "1 initial");
  });

  it("does not go down while a node cannot be heard", () => {
    const metrics = new Map([[ID, { value: 0, at: 40_000 }]]);
    const targets = new Map([[ID, { target: 4, reason: "loadRose" as const }]]);
    assert.equal(decide({ targets, metrics }, 40_000), "1 loadFell");
    const nodes = new Map([["n1" as never, nodeRecord("n1", { state: "suspect" })]]);
    assert.equal(decide({ targets, metrics, nodes }, 40_000), "4 loadRose");
  });

  it("wakes although its policy said 0 last: that was said before it woke", () => {
    const policySpec = autoscalingSpec({ minReplicas: 0, maxReplicas: 5, hasPolicy: true });
    const app = applicationSpec("app", { D: { options: { autoscaling: policySpec } } });
    const load = { deployment: ID, queued: 1, ongoingMean: 1, arrived: 1, answered: 0, versions: [] };
    const [one] = app.deployments;
    assert.ok(one !== undefined);
    let state = clusterState({ applications: [applicationRecord([app], { stable: 1 })], nodes: [nodeRecord("n1")] });
    state = { ...state, targets: new Map([[ID, { target: 1, reason: "initial" }]]) };
    const answer = (target: number, askedAt: number): void => {
      const event = { kind: "policyAnswered", deployment: ID, target, problem: "", askedAt } as const;
      state = applyEvent(state, event, askedAt);
    };
    const targets: number[] = [];
    const tick = (now: number): void => {
      state = { ...state, ...withLoads(state, { loads: [load], ms: 500 }, now) };
      for (const action of reconcile(state, now, seededRandom(1))) state = applyAction(state, action, now);
      targets.push(state.targets.get(ID)?.target ?? -1);
    };
    answer(0, 400);
    tick(500);
    // An answer to a question of before comes late.
    answer(0, 450);
    tick(1_000);
    tick(1_500);
    tick(2_000);
    assert.deepEqual(targets, [0, 1, 1, 1]);
    answer(3, 2_100);
    tick(2_500);
    assert.equal(targets.at(-1), 3);
  });

  it("goes by how long a first start took, for half a minute at most, and not by when a replica was made", () => {
    const autoscaling = autoscalingSpec({ maxReplicas: 50 });
    const app = applicationSpec("app", { D: { options: { autoscaling } } });
    const [one] = app.deployments;
    assert.ok(one !== undefined);
    const now = 172_800_000;
    const decided = (startMs: number | undefined): number | undefined => {
      const replica = replicaRecord("a", { deployment: ID, stateSince: now - 1_000, ...(startMs && { startMs }) });
      let state = clusterState(
        { applications: [applicationRecord([app])], replicas: [replica] },
        { targets: new Map([[ID, { target: 7, reason: "loadRose" }]]) },
      );
      for (let i = 20; i > 0; i--) {
        const count = i > 4 ? 500 : 1_000;
        const told = {
          deployment: ID,
          queued: 0,
          ongoingMean: count / 50,
          arrived: count,
          answered: count,
          versions: [],
        };
        state = { ...state, ...withLoads(state, { loads: [told], ms: 500 }, now - i * 500 + 500) };
      }
      return autoscaled(state, { id: ID, spec: one }, now)?.target;
    };
    assert.equal(decided(undefined), 10);
    assert.ok((decided(3_000) ?? 0) > 10);
    assert.equal(decided(now), decided(LONGEST_START_MS));
  });

  it("does not believe a metric that was told long ago", () => {
    const targets = new Map([[ID, { target: 2, reason: "loadRose" as const }]]);
    const metrics = new Map([[ID, { value: 85, at: 0 }]]);
    assert.equal(decide({ targets, metrics }, 1_000), "9 loadRose");
    assert.equal(decide({ targets, metrics }, METRIC_STALE_MS + 500), "2 loadRose");
  });
});
