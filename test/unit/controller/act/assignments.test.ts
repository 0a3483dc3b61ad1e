import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assignedReplicas, AssignmentSender } from "../../../../controller/act/assignments.ts";
import { applyAction } from "../../../../controller/decide/apply-action.ts";
import type { NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";

const node = "n1" as NodeId;
const env = { TOKEN: { secret: "TOKEN" }, PLAIN: "x" };
const spec = applicationSpec("app", { D: { options: { env } }, E: {} });
const record = applicationRecord([spec]);
const application = {
  ...record,
  releases: record.releases.map((release) => ({ ...release, secrets: { TOKEN: "t", OTHER: "o" } })),
};

describe("an assignment", () => {
  it("holds what is to run or drain on the node, each with its own secrets only", () => {
    const replicas = [
      replicaRecord("run"),
      replicaRecord("leaves", { desired: "leave", deployment: idOf("app", "E") }),
      replicaRecord("drains", { desired: "drain" }),
      replicaRecord("stops", { desired: "stop" }),
      replicaRecord("elsewhere", { node: "n2" as NodeId }),
    ];
    const assigned = assignedReplicas(clusterState({ applications: [application], replicas }), node);
    assert.deepEqual(
      assigned?.map(({ id, desired }) => [id, desired]),
      [
        ["run", "run"],
        ["leaves", "run"],
        ["drains", "drain"],
      ],
    );
    assert.deepEqual(
      assigned?.map(({ launch }) => launch.secrets),
      [{ TOKEN: "t" }, {}, { TOKEN: "t" }],
    );
  });

  it("gives a replica that drains no longer than its node has", () => {
    const sender = new AssignmentSender(1);
    const running = clusterState({ applications: [application], replicas: [replicaRecord("a", { desired: "leave" })] });
    const drains = new Map([[node, { beganAt: 0, deadlineAt: 30_000 }]]);
    const timesOf = (state: typeof running) =>
      sender.next(state, node)?.replicas.map(({ launch }) => launch.options.gracefulShutdownTimeoutMs);
    assert.deepEqual(timesOf({ ...running, drains }), [20_000]);
    const drain = { kind: "drain", replica: "a" as ReplicaId, reason: "unlisted" } as const;
    const draining = applyAction(running, drain, 22_000);
    assert.deepEqual(timesOf(draining), [20_000]);
    assert.deepEqual(timesOf({ ...draining, drains }), [8_000]);
  });

  it("is withheld while the node runs something that no release describes", () => {
    const replicas = [replicaRecord("a"), replicaRecord("b", { version: "lost" as Version })];
    assert.equal(assignedReplicas(clusterState({ applications: [application], replicas }), node), undefined);
  });

  it("is sent when it changed, under a higher generation, and again to a worker that connects again", () => {
    const sender = new AssignmentSender(3);
    const state = clusterState({ applications: [application], replicas: [replicaRecord("a")] });
    const first = sender.next(state, node);
    assert.deepEqual([first?.epoch, first?.generation], [3, 1]);
    assert.equal(sender.next(state, node), undefined);
    assert.equal(sender.next({ ...state, replicas: new Map(state.replicas) }, node), undefined);
    sender.forget(node);
    assert.equal(sender.next(state, node)?.generation, 2);
  });

  it("has a higher generation for a node that comes back after it was forgotten", () => {
    const sender = new AssignmentSender(3);
    const state = clusterState({ applications: [application], replicas: [replicaRecord("a")] });
    for (let i = 0; i < 3; i++) {
      sender.next(state, node);
      sender.forget(node);
    }
    sender.drop(node);
    assert.equal(sender.next(state, node)?.generation, 4);
  });

  it("knows who was never told to run a replica that is to stop, and so never says that it is gone", () => {
    const sender = new AssignmentSender(1);
    const stateOf = (desired: "run" | "stop") =>
      clusterState({ applications: [application], replicas: [replicaRecord("a", { desired, report: undefined })] });
    assert.deepEqual(sender.untold(stateOf("run"), node), []);
    assert.deepEqual(sender.untold(stateOf("stop"), node), ["a"]);
    sender.next(stateOf("run"), node);
    sender.next(stateOf("stop"), node);
    assert.deepEqual(sender.untold(stateOf("stop"), node), [], "its worker says so itself");
    sender.forget(node);
    assert.deepEqual(sender.untold(stateOf("stop"), node), ["a"], "a worker that connects again lists what it has");
  });
});
