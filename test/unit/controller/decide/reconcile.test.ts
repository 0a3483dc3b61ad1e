import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { subjectOf } from "../../../../controller/decide/action.ts";
import type { ClusterState } from "../../../../controller/decide/cluster.ts";
import { reconcile } from "../../../../controller/decide/reconcile.ts";
import { MAKE_ROOM_AFTER_MS } from "../../../../controller/decide/rollout.ts";
import type { NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import { seededRandom } from "../../../../core/random.ts";
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

const plan = (state: ClusterState, now = 0) => reconcile(state, now, seededRandom(1));
const kinds = (state: ClusterState, now = 0): string[] => plan(state, now).map(({ kind }) => kind);
const heard = (id: string, at: number, gpus: string[] = []) =>
  nodeRecord(id, { lastHeardAt: at, resources: nodeResources({ gpus }) });
const spec = applicationSpec("app", { D: {} });
const stable = applicationRecord([spec], { stable: 1 });

describe("reconcile", () => {
  it("does nothing where everything is as wanted", () => {
    const targets = new Map([[idOf("app", "D"), { target: 1, reason: "declared" as const }]]);
    const state = clusterState(
      { applications: [stable], nodes: [nodeRecord("n1")], replicas: [replicaRecord("r1")] },
      { targets },
    );
    assert.deepEqual(plan(state), []);
  });

  it("makes and places a replica in one go, under a readable id", () => {
    const state = clusterState({ applications: [applicationRecord([spec])], nodes: [nodeRecord("n1")] });
    const actions = plan(state);
    assert.deepEqual(
      actions.map(({ kind }) => kind),
      ["setTarget", "create", "bind"],
    );
    assert.match(actions.map(subjectOf)[1] ?? "", /^app-d-[a-z0-9]{5}$/);
  });

  it("does nothing but watch its nodes before it has recovered", () => {
    const state = clusterState(
      { applications: [stable], nodes: [nodeRecord("n1")] },
      { isRecovered: false, expectedNodes: ["n1", "n2"] as NodeId[] },
    );
    assert.deepEqual(kinds(state), []);
    assert.deepEqual(kinds(clusterState({}, { isRecovered: false })), ["recover"]);
  });

  it("replaces a lost node's replicas in the tick that finds it lost", () => {
    const nodes = [heard("n1", 0), heard("n2", 6_000)];
    const state = clusterState({ applications: [stable], nodes, replicas: [replicaRecord("r1")] });
    const actions = plan(state, 6_000);
    assert.deepEqual(
      actions.map(({ kind }) => kind),
      ["markNode", "forget", "setTarget", "create", "bind"],
    );
    assert.equal(actions.find(({ kind }) => kind === "bind" && true)?.kind, "bind");
  });

  it("gives two replicas of one tick two halves of the last GPU, and the third none", () => {
    const gpu = applicationSpec("app", { D: { replicas: 3, resources: { gpus: 0.5 } } });
    const state = clusterState({ applications: [applicationRecord([gpu])], nodes: [heard("n1", 0, ["g0"])] });
    const actions = plan(state);
    assert.deepEqual(
      actions.filter(({ kind }) => kind === "bind" || kind === "pend").map(({ kind }) => kind),
      ["bind", "bind", "pend"],
    );
  });

  it("says only once why a replica is pending", () => {
    const gpu = applicationSpec("app", { D: { resources: { gpus: 1 } } });
    const pending = {
      reason: "no node fits: needs 1 gpus, the node has none",
      nodes: [{ node: "n1" as NodeId, reason: "needs 1 gpus, the node has none" }],
    };
    const replica = replicaRecord("r1", { node: undefined, report: undefined, listed: undefined, pending });
    const state = clusterState({
      applications: [applicationRecord([gpu])],
      nodes: [nodeRecord("n1")],
      replicas: [replica],
    });
    assert.deepEqual(kinds(state), ["setTarget"]);
  });

  it("gives the only GPU to the new version after a wait, and not before", () => {
    const resources = { gpus: 1 };
    const old = applicationSpec("app", { D: { version: "v1", resources } });
    const next = applicationSpec("app", { D: { version: "v2", resources } });
    const replicas = [
      replicaRecord("old", { gpus: ["g0"] }),
      replicaRecord("new", { version: "v2" as Version, node: undefined, report: undefined, listed: undefined }),
    ];
    const at = MAKE_ROOM_AFTER_MS;
    const nodes = [heard("n1", at, ["g0"])];
    const state = clusterState({ applications: [applicationRecord([old, next], { stable: 1 })], nodes, replicas });
    assert.ok(!kinds(state, at - 1).includes("leave"));
    assert.ok(plan(state, at).some((action) => action.kind === "leave" && action.reason === "makesRoom"));
  });

  it("does not blame a release for a deployment that it left as it was", () => {
    const before = applicationSpec("app", { D: {}, E: {} });
    const after = applicationSpec("app", { D: {}, E: { version: "v2" } });
    const report = replicaReport("r1", { state: "failed", failedStarts: 9, reason: "disk full" });
    const replicas = [replicaRecord("r1", { report, deployment: idOf("app", "D") })];
    const state = clusterState({
      applications: [applicationRecord([before, after], { stable: 1 })],
      nodes: [nodeRecord("n1")],
      replicas,
    });
    assert.ok(!kinds(state).includes("giveUp"));
  });

  it("goes back to what serves when a release fails, even to one that was not yet promoted", () => {
    const specs = [
      applicationSpec("app", { D: { version: "v1" } }),
      applicationSpec("app", { D: { version: "v2" } }),
      applicationSpec("app", { D: { version: "v3" } }),
    ];
    const failing = replicaReport("bad", { state: "failed", failedStarts: 9, reason: "no luck" });
    const bad = replicaRecord("bad", { version: "v3" as Version, report: failing, listed: undefined });
    const fallback = (stable: number, serving: readonly string[]): unknown => {
      const replicas = [bad, ...serving.map((version) => replicaRecord(version, { version: version as Version }))];
      const applications = [applicationRecord(specs, { stable })];
      const actions = plan(clusterState({ applications, nodes: [nodeRecord("n1")], replicas }));
      return actions.find((action) => action.kind === "giveUp")?.fallback;
    };
    assert.equal(fallback(0, ["v2"]), 2);
    assert.equal(fallback(1, ["v1", "v2"]), 2);
    assert.equal(fallback(1, ["v1"]), 1);
    assert.equal(fallback(0, []), 0);
  });

  it("stops what belongs to no application, once the grace is over", () => {
    const replicas = [replicaRecord("r1", { isAdopted: true, deployment: idOf("gone", "D") })];
    const state = clusterState({ nodes: [heard("n1", 9_999)], replicas }, { graceUntil: 10_000 });
    assert.deepEqual(kinds(state, 9_999), []);
    assert.deepEqual(kinds(state, 10_000), ["leave"]);
  });

  it("replaces what a deploy made outdated without waiting for the grace, which holds only what may still be wanted", () => {
    const releases = [
      applicationSpec("app", { D: { version: "v1" } }),
      applicationSpec("app", { D: { version: "v2" } }),
    ];
    const replicas = [
      replicaRecord("old", { isAdopted: true }),
      replicaRecord("new", { version: "v2" as Version }),
      replicaRecord("surplus", { version: "v2" as Version, isAdopted: true }),
    ];
    const state = clusterState(
      { applications: [applicationRecord(releases, { stable: 1 })], nodes: [heard("n1", 1)], replicas },
      { graceUntil: 10_000 },
    );
    const leaving = plan(state, 1).flatMap((action) => (action.kind === "leave" ? [action.replica] : []));
    assert.ok(leaving.includes("old" as ReplicaId));
    assert.ok(!leaving.includes("surplus" as ReplicaId));
  });
});
