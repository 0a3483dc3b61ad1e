import assert from "node:assert/strict";
import { test } from "node:test";
import type { KnownPhase, KnownReplica } from "../../../../worker/decide/assign.ts";
import { assign } from "../../../../worker/decide/assign.ts";
import { assignedReplica } from "../../../fake/assigned-replica.ts";

const NOW = 1_000;

function known(phase: KnownPhase, changes: Partial<KnownReplica> = {}): KnownReplica {
  const { id, launch } = assignedReplica("r1");
  return { id, phase, restartAt: undefined, options: launch.options, ...changes };
}

function kinds(wanted: "run" | "drain" | "none", phase: KnownPhase | "unknown"): readonly string[] {
  const assigned = wanted === "none" ? [] : [assignedReplica("r1", { desired: wanted })];
  const plan = assign(assigned, phase === "unknown" ? [] : [known(phase)], NOW);
  return plan.actions.map(({ kind, reason }) => `${kind} ${reason}`);
}

test("each phase has one way towards what is wanted", () => {
  const table: readonly (readonly [KnownPhase | "unknown", string, string, string])[] = [
    // phase, wanted to run, wanted to drain, not wanted
    ["unknown", "start assigned", "forget drained", ""],
    ["waiting", "", "forget drained", "forget removed"],
    ["starting", "", "end notReadyAndDrained", "end removed"],
    ["ready", "", "drain drainAsked", "end removed"],
    ["draining", "", "", "end removed"],
    ["ending", "", "", ""],
    ["stopped", "start assigned", "forget drained", "forget removed"],
  ];
  for (const [phase, run, drain, none] of table) {
    assert.equal(kinds("run", phase).join(), run, `${phase}, wanted to run`);
    assert.equal(kinds("drain", phase).join(), drain, `${phase}, wanted to drain`);
    assert.equal(kinds("none", phase).join(), none, `${phase}, not wanted`);
  }
});

test("a waiting replica is started when its backoff is over, and the plan says when to ask again until then", () => {
  const waiting = known("waiting", { restartAt: NOW + 50 });
  assert.deepEqual(assign([assignedReplica("r1")], [waiting], NOW), { actions: [], wakeAt: NOW + 50 });
  assert.equal(assign([assignedReplica("r1")], [waiting], NOW + 50).actions[0]?.reason, "backoffOver");
});

test("a replica that was given up is left alone until it is removed", () => {
  assert.deepEqual(assign([assignedReplica("r1")], [known("waiting")], NOW), { actions: [], wakeAt: undefined });
});

test("a ready replica is reconfigured when its options differ, one that starts is not", () => {
  const wanted = assignedReplica("r1", { options: { userConfig: { threshold: 2 } } });
  const [action] = assign([wanted], [known("ready")], NOW).actions;
  assert.equal(action?.kind, "reconfigure");
  assert.deepEqual(action?.kind === "reconfigure" ? action.options.userConfig : undefined, { threshold: 2 });
  assert.deepEqual(assign([wanted], [known("starting")], NOW).actions, []);
  assert.deepEqual(
    assign([wanted], [known("ready", { options: structuredClone(wanted.launch.options) })], NOW).actions,
    [],
  );
});
