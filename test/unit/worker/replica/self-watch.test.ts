import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchWork } from "../../../../core/construction.ts";
import { HEARTBEAT_MS, STUCK_AFTER_MS } from "../../../../core/limits.ts";
import type { Replica } from "../../../../worker/replica/replica.ts";
import { SelfWatch } from "../../../../worker/replica/self-watch.ts";
import { NO_VITALS, type AbandonedRun } from "../../../../worker/replica/vitals.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";

function bed() {
  const clock = new ManualClock();
  const looks: number[] = [];
  const stuck: string[] = [];
  const state = { work: { busyMs: 0, abandonedRun: undefined } as BatchWork, runs: [] as readonly AbandonedRun[] };
  const replica: Pick<Replica, "requestMs"> = { requestMs: (now) => now * 2 };
  const watch = new SelfWatch({
    clock,
    vitals: { ...NO_VITALS, abandonedRuns: () => state.runs },
    replica,
    maxOngoingRequests: 8,
    batchWork: () => [["classify", state.work]],
    onLook: (utilisation) => looks.push(utilisation),
    onStuck: (reason) => stuck.push(reason),
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
  state.work = { busyMs: 0, abandonedRun: 7 };
  clock.advance(STUCK_AFTER_MS);
  assert.deepEqual(stuck, []);
  clock.advance(10 * HEARTBEAT_MS);
  assert.deepEqual(stuck, ["the batch handler of classify has not settled for 5 s although all its callers are gone"]);
});

test("batches that end, one after the other, are not taken for one that never does", () => {
  const { clock, stuck, state } = bed();
  for (let run = 0; run < 20; run++) {
    state.work = { busyMs: 0, abandonedRun: run };
    clock.advance(HEARTBEAT_MS);
  }
  assert.deepEqual(stuck, []);
});

test("a run of a model that never ends is told by the model's name", () => {
  const { clock, stuck, state } = bed();
  state.runs = [{ id: 3, name: 'model "./digits.onnx"' }];
  clock.advance(STUCK_AFTER_MS + HEARTBEAT_MS);
  assert.deepEqual(stuck, ['a run of model "./digits.onnx" has not settled for 5 s although all its callers are gone']);
});
