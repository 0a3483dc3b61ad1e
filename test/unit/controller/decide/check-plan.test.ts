import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action } from "../../../../controller/decide/action.ts";
import { checkPlan, soundPlan } from "../../../../controller/decide/check-plan.ts";
import type { ApplicationName, NodeId, ReplicaId } from "../../../../core/ids.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  nodeRecord,
  nodeResources,
  replicaRecord,
  replicaReport,
} from "../../../fake/cluster-fixture.ts";

const id = (text: string): ReplicaId => text as ReplicaId;
const spec = applicationSpec("app", { D: { resources: { cpus: 3, gpus: 0.5 } } });
const unplaced = { node: undefined, report: undefined, listed: undefined };
const state = clusterState({
  applications: [applicationRecord([spec])],
  nodes: [
    nodeRecord("n1", { resources: nodeResources({ cpus: 4, gpus: ["g0"] }) }),
    nodeRecord("n2", { state: "suspect" }),
  ],
  replicas: [
    replicaRecord("ready", { node: "n2" as NodeId }),
    replicaRecord("leaving", { node: "n2" as NodeId, desired: "leave", unlisted: { version: 2_000, at: 0 } }),
    replicaRecord("starting", { node: "n2" as NodeId, report: replicaReport("starting", { state: "starting" }) }),
    replicaRecord("new1", unplaced),
    replicaRecord("new2", unplaced),
  ],
});
const broken = (...actions: Action[]): readonly string[] => checkPlan(state, actions, 1);
const bind = (replica: string, node = "n1"): Action => {
  return { kind: "bind", replica: id(replica), node: node as NodeId, gpus: ["g0"], reason: "spread" };
};

describe("checking a plan", () => {
  it("finds nothing wrong with a sound one", () => {
    assert.deepEqual(
      broken(
        bind("new1"),
        { kind: "leave", replica: id("ready"), reason: "replaced" },
        { kind: "stop", replica: id("starting"), reason: "replaced" },
      ),
      [],
    );
  });

  it("finds a node that is given more than it has", () => {
    assert.match(broken(bind("new1"), bind("new2"))[0] ?? "", /node n1 has too little cpus/);
  });

  it("does not blame a plan for a node that came back smaller", () => {
    const small = {
      ...state,
      nodes: new Map(state.nodes).set("n1" as NodeId, nodeRecord("n1", { resources: nodeResources({ custom: {} }) })),
    };
    const action: Action = { kind: "bind", replica: id("new1"), node: "n1" as NodeId, gpus: [], reason: "spread" };
    assert.deepEqual(checkPlan(small, [action], 1), []);
  });

  it("finds a replica placed on a node that is not live, or placed twice", () => {
    assert.match(broken(bind("new1", "n2"))[0] ?? "", /node n2 is suspect/);
    assert.match(broken(bind("ready"))[0] ?? "", /on node n2 already/);
  });

  it("finds a replica ended that routers may know", () => {
    assert.match(
      broken({ kind: "drain", replica: id("ready"), reason: "unlisted" })[0] ?? "",
      /has not left the table/,
    );
    assert.match(
      broken({ kind: "drain", replica: id("leaving"), reason: "unlisted" })[0] ?? "",
      /routers may still know it/,
    );
    assert.match(broken({ kind: "stop", replica: id("ready"), reason: "replaced" })[0] ?? "", /routers may know it/);
    assert.match(broken({ kind: "forget", replica: id("ready"), reason: "removed" })[0] ?? "", /may still run/);
  });

  it("finds what is done twice, or about nothing", () => {
    const stop: Action = { kind: "stop", replica: id("starting"), reason: "removed" };
    assert.match(broken(stop, stop)[0] ?? "", /done twice/);
    assert.match(broken({ ...stop, replica: id("none") })[0] ?? "", /no such replica/);
  });

  it("leaves out of a plan the application that breaks something, and performs the rest", () => {
    const promote = { kind: "promote", generation: 1, reason: "serving" } as const;
    const twice: Action = { ...promote, application: "app" as ApplicationName };
    const other: Action = { ...promote, application: "other" as ApplicationName };
    const node: Action = { kind: "markNode", node: "n2" as NodeId, state: "lost", reason: "silent" };
    const plan = soundPlan(state, [node, twice, other, twice, bind("new1")], 1);
    assert.deepEqual(plan.actions, [node, other]);
    assert.match(plan.violations[0] ?? "", /promote app: it is done twice/);
    assert.deepEqual(soundPlan(state, [other, bind("new1")], 1), { actions: [other, bind("new1")], violations: [] });
  });
});
