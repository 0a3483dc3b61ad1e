import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applyEvent, type ClusterEvent, initialState } from "../../../../controller/state/cluster-state.ts";
import type { NodeRegistration, ReplicaReport } from "../../../../core/assignment.ts";
import type { ApplicationName, NodeId, ReplicaId } from "../../../../core/ids.ts";
import { RECOVERY_GRACE_MS } from "../../../../core/limits.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  nodeResources,
  replicaRecord,
  replicaReport,
} from "../../../fake/cluster-fixture.ts";
import { autoscalingSpec } from "../../../fake/scaling-fixture.ts";

const node = "n1" as NodeId;
const R = "r1" as ReplicaId;
function registration(...replicas: ReplicaReport[]): NodeRegistration {
  return { node, incarnation: 2, resources: nodeResources(), labels: {}, replicas, epoch: 0 };
}

describe("the state of the cluster", () => {
  it("grants a grace to what runs, but not on a first start", () => {
    const known = { epoch: 2, applications: [applicationRecord([applicationSpec("app", {})])], expectedNodes: [] };
    assert.equal(initialState(known, 5).graceUntil, 5 + RECOVERY_GRACE_MS);
    assert.equal(initialState({ epoch: 1, applications: [], expectedNodes: [] }, 5).graceUntil, 5);
  });

  it("adopts what a worker reports and nobody knew, but not what has stopped", () => {
    const reports = [
      replicaReport("a"),
      replicaReport("b", { state: "draining" }),
      replicaReport("c", { state: "stopped" }),
    ];
    const state = applyEvent(clusterState(), { kind: "nodeRegistered", registration: registration(...reports) }, 9);
    assert.deepEqual(
      [...state.replicas.values()].map(({ id, desired, isAdopted }) => [id, desired, isAdopted]),
      [
        ["a", "run", true],
        ["b", "drain", true],
      ],
    );
    assert.equal(state.nodes.get(node)?.isConnected, true);
  });

  it("takes what a registering worker does not list as gone, or as to be started again", () => {
    const replicas = [
      replicaRecord("run"),
      replicaRecord("drain", { desired: "drain" }),
      replicaRecord("other", { node: "n2" as NodeId }),
    ];
    const state = applyEvent(clusterState({ replicas }), { kind: "nodeRegistered", registration: registration() }, 9);
    assert.deepEqual([...state.replicas.keys()].sort(), ["other", "run"]);
    assert.equal(state.replicas.get("run" as ReplicaId)?.report, undefined);
  });

  it("brings nothing back that another controller ended, which is seen by what that one started", () => {
    const before = clusterState({ replicas: [replicaRecord("run")] });
    const told = registration(replicaReport("stranger"));
    const state = applyEvent(before, { kind: "nodeRegistered", registration: told }, 9);
    assert.deepEqual([...state.replicas.keys()], ["stranger"]);
  });

  it("does not count a replica as listed once it crashed, or came back as another process", () => {
    const before = clusterState({ replicas: [replicaRecord("r1")] });
    const listed = (report: ReplicaReport): boolean => {
      const state = applyEvent(before, { kind: "replicasReported", node, reports: [report] }, 1);
      return state.replicas.get(R)?.listed !== undefined;
    };
    assert.equal(listed(replicaReport("r1", { ongoing: 5 })), true);
    assert.equal(listed(replicaReport("r1", { state: "failed" })), false);
    assert.equal(listed(replicaReport("r1", { address: { host: "127.0.0.1", port: 2 } })), false);
    assert.equal(listed(replicaReport("r1", { callSecret: "other" })), false);
  });

  it("believes a node about its own replicas only", () => {
    const before = clusterState({ replicas: [replicaRecord("r1")] });
    const other = "n2" as NodeId;
    const state = applyEvent(before, { kind: "replicasGone", node: other, replicas: [R] }, 1);
    assert.equal(state.replicas.has(R), true);
    const reported = applyEvent(
      before,
      { kind: "replicasReported", node: other, reports: [replicaReport("r1", { state: "failed" })] },
      1,
    );
    assert.equal(reported.replicas.get(R)?.report?.state, "ready");
  });

  it("remembers with which table a replica came in and with which it was out", () => {
    const replicas = [replicaRecord("in", { listed: undefined }), replicaRecord("out", { desired: "leave" })];
    const event = { kind: "tablePublished", version: 7, listed: new Set(["in" as ReplicaId]) } as const;
    const state = applyEvent(clusterState({ replicas }), event, 3);
    assert.deepEqual(state.replicas.get("in" as ReplicaId)?.listed, { version: 7, at: 3 });
    assert.deepEqual(state.replicas.get("out" as ReplicaId)?.unlisted, { version: 7, at: 3 });
    assert.equal(applyEvent(state, { ...event, version: 8 }, 4).replicas, state.replicas);
  });

  it("keeps the time since when a replica is as it is", () => {
    const before = clusterState({ replicas: [replicaRecord("r1")] });
    const same = applyEvent(before, { kind: "replicasReported", node, reports: [replicaReport("r1")] }, 50);
    assert.equal(same.replicas.get(R)?.stateSince, 0);
    const failed = applyEvent(
      before,
      { kind: "replicasReported", node, reports: [replicaReport("r1", { state: "failed" })] },
      50,
    );
    assert.equal(failed.replicas.get(R)?.stateSince, 50);
  });

  it("remembers how long a replica's first start took, and not what a later one took", () => {
    const waiting = replicaRecord("r1", { report: undefined, createdAt: 0, stateSince: 40, listed: undefined });
    let state = clusterState({ replicas: [waiting] });
    const told = (change: Partial<ReplicaReport>, at: number): number | undefined => {
      state = applyEvent(state, { kind: "replicasReported", node, reports: [replicaReport("r1", change)] }, at);
      return state.replicas.get(R)?.startMs;
    };
    assert.equal(told({ state: "starting" }, 50), undefined);
    assert.equal(told({}, 350), 300);
    assert.equal(told({ state: "failed" }, 10_000), 300);
    assert.equal(told({ state: "starting" }, 172_800_000), 300);
    assert.equal(told({}, 172_900_000), 300);
  });

  it("keeps what it is told to scale by only for deployments that scale by it", () => {
    const metric = { name: "lag", targetPerReplica: 1, url: undefined };
    const scaling = { ...autoscalingSpec({ metric }), hasPolicy: true };
    const deployed = (change?: typeof scaling): ClusterEvent => {
      const options = change === undefined ? {} : { autoscaling: change };
      return {
        kind: "applicationStored",
        application: applicationRecord([applicationSpec("app", { D: { options } })]),
      };
    };
    const deployment = idOf("app", "D");
    const told: readonly ClusterEvent[] = [
      { kind: "metricTold", deployment, value: 7 },
      { kind: "policyAnswered", deployment, target: 3, problem: "", askedAt: 1 },
    ];
    const after = (...events: readonly ClusterEvent[]): readonly number[] => {
      const state = events.reduce((so, event) => applyEvent(so, event, 2), clusterState());
      return [state.metrics.size, state.policies.size];
    };
    assert.deepEqual(after(deployed(scaling), ...told), [1, 1]);
    assert.deepEqual(after(deployed(scaling), ...told, deployed(scaling)), [1, 1]);
    assert.deepEqual(after(deployed(scaling), ...told, deployed()), [0, 0]);
    assert.deepEqual(after(deployed(), ...told), [0, 0], "they come late");
    const gone = { kind: "applicationRemoved", name: "app" as ApplicationName } as const;
    assert.deepEqual(after(deployed(scaling), ...told, gone, ...told), [0, 0]);
  });

  it("does not hold its own stand-still against its nodes", () => {
    const state = applyEvent(clusterState({ nodes: [nodeRecord("n1")] }), { kind: "stalled" }, 30_000);
    assert.equal(state.nodes.get(node)?.lastHeardAt, 30_000);
  });
});
