import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../../core/random.ts";
import { ArrivalSchedule } from "../../../../load/arrival-schedule.ts";
import { arrivalTimes, idealLatencies } from "../../../../bench/batch/ideal.ts";

test("An ideal batcher runs at once when idle, and what comes meanwhile runs together", () => {
  // The first runs 0–100 alone, the next two 100–200.
  const { count, meanMs, maxMs } = idealLatencies([0, 10, 40], 32, 100);
  assert.equal(count, 3);
  assert.equal(maxMs, 190);
  assert.equal(meanMs, (100 + 190 + 160) / 3);
});

test("An ideal batcher leaves what is over its batch size to the next run, oldest first", () => {
  const { maxMs, meanMs } = idealLatencies([0, 0, 0, 0, 0], 2, 100);
  assert.equal(maxMs, 300);
  assert.equal(meanMs, (2 * 100 + 2 * 200 + 300) / 5);
});

test("An ideal batcher rests until the next arrival", () => {
  assert.equal(idealLatencies([0, 500], 2, 100).maxMs, 100);
});

test("Arrival times are those of a load with the same seed", () => {
  const schedule = new ArrivalSchedule(100, "poisson", seededRandom(7));
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    times.push(schedule.nextDueMs);
    schedule.advance();
  }
  assert.deepEqual(arrivalTimes(5, 100, "poisson", 7), times);
});
