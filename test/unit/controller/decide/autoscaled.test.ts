import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { autoscaled, METRIC_STALE_MS } from "../../../../controller/decide/autoscaled.ts";
import type { ClusterState, TargetReason } from "../../../../controller/decide/cluster.ts";
import { withLoads } from "../../../../controller/decide/loads.ts";
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

  it("does not believe a metric that was told long ago", () => {
    const targets = new Map([[ID, { target: 2, reason: "loadRose" as const }]]);
    const metrics = new Map([[ID, { value: 85, at: 0 }]]);
    assert.equal(decide({ targets, metrics }, 1_000), "9 loadRose");
    assert.equal(decide({ targets, metrics }, METRIC_STALE_MS + 500), "2 loadRose");
  });
});
