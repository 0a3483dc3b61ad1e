import assert from "node:assert/strict";
import { test } from "node:test";
import type { AbandonedRun, BatchWork } from "../../../../core/construction.ts";
import { HEARTBEAT_MS, STUCK_AFTER_MS } from "../../../../core/limits.ts";
import type { Replica } from "../../../../worker/replica/replica.ts";
import { SelfWatch } from "../../../../worker/replica/self-watch.ts";
import { NO_VITALS, type AbandonedModelRun } from "../../../../worker/replica/vitals.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";

function abandoned(id: number, changes: Partial<AbandonedRun> = {}): AbandonedRun {
  return { id, deadlineAt: 0, longestMs: 0, giveUp: () => {}, ...changes };
}

function bed() {
  const clock = new ManualClock();
  const looks: number[] = [];
  const stuck: string[] = [];
  const state = { work: { busyMs: 0, abandonedRun: undefined } as BatchWork, runs: [] as readonly AbandonedModelRun[] };
  const replica: Pick<Replica, "requestMs"> = { requestMs: (now) => now * 2 };
  const watch = new SelfWatch({
    clock,
    vitals: { ...NO_VITALS, abandonedRuns: () => state.runs },
    replica,
    maxOngoingRequests: 8,
    batchWork: () => [["classify", state.work]],
    onLook: (utilisation) => looks.push(utilisation),
    onStuck: (reason, giveUp) => {
      stuck.push(reason);
      giveUp(new Error("it is being replaced"));
    },
  });
  watch.start();
  return { clock, looks, stuck, state, watch };
}

test("tells once a second how much of it the busiest part was at work", () => {
  const { clock, looks, state, watch } = bed();
  clock.advance(HEARTBEAT_MS);
  state.work = { busyMs: 600, abandonedRun: undefined };
  clock.advance(HEARTBEAT_MS);
  assert.deepEqual(looks, [0.25, 0.6]);
  watch.close();
  clock.advance(5 * HEARTBEAT_MS);
  assert.equal(looks.length, 2);
});

test("a batch that goes on for long after its last caller went is told once, by the name of its method", () => {
  const { clock, stuck, state } = bed();
  state.work = { busyMs: 0, abandonedRun: abandoned(7) };
  clock.advance(STUCK_AFTER_MS);
  assert.deepEqual(stuck, []);
  clock.advance(10 * HEARTBEAT_MS);
  assert.deepEqual(stuck, ["the batch handler of classify has not settled for 5 s although all its callers are gone"]);
});

test("batches that end, one after the other, are not taken for one that never does", () => {
  const { clock, stuck, state } = bed();
  for (let run = 0; run < 20; run++) {
    state.work = { busyMs: 0, abandonedRun: abandoned(run) };
    clock.advance(HEARTBEAT_MS);
  }
  assert.deepEqual(stuck, []);
});

test("a run of a model that never ends is told by the model's name", () => {
  const { clock, stuck, state } = bed();
  state.runs = [{ ...abandoned(3), name: 'model "./digits.onnx"' }];
  clock.advance(STUCK_AFTER_MS + HEARTBEAT_MS);
  assert.deepEqual(stuck, ['a run of model "./digits.onnx" has not settled for 5 s although all its callers are gone']);
});

test("a slow model whose callers left early is let finish: until their deadline, and for longer than any run before it", () => {
  const { clock, stuck, state } = bed();
  const run = abandoned(1, { longestMs: 20_000, deadlineAt: clock.now() + 30_000 });
  state.runs = [{ ...run, name: "a model" }];
  clock.advance(3 * 20_000);
  assert.deepEqual(stuck, []);
  clock.advance(2 * HEARTBEAT_MS);
  assert.equal(stuck.length, 1);
  const young = bed();
  young.state.runs = [{ ...abandoned(1, { deadlineAt: young.clock.now() + 30_000 }), name: "a model" }];
  young.clock.advance(29_000);
  assert.deepEqual(young.stuck, []);
  young.clock.advance(2 * HEARTBEAT_MS);
  assert.equal(young.stuck.length, 1);
});

test("what waits for a run that will never end is failed with it", () => {
  const { clock, state } = bed();
  const given: string[] = [];
  state.work = { busyMs: 0, abandonedRun: abandoned(1, { giveUp: ({ message }) => given.push(message) }) };
  clock.advance(STUCK_AFTER_MS + 3 * HEARTBEAT_MS);
  assert.deepEqual(given, ["it is being replaced"]);
});
