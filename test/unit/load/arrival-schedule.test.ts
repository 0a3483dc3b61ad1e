import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../core/random.ts";
import { ArrivalSchedule, type Arrivals } from "../../../load/arrival-schedule.ts";

function firstDue(ratePerSecond: number, arrivals: Arrivals, count: number): number[] {
  const schedule = new ArrivalSchedule(ratePerSecond, arrivals, seededRandom(3));
  return Array.from({ length: count }, () => {
    const due = schedule.nextDueMs;
    schedule.advance();
    return due;
  });
}

test("a fixed schedule begins at once and keeps its period without drifting", () => {
  const due = firstDue(300, "fixed", 900_001);
  assert.deepEqual(due.slice(0, 2), [0, 1_000 / 300]);
  assert.ok(Math.abs((due.at(-1) ?? 0) - 3_000_000) < 1e-6);
});

test("Poisson arrivals keep their rate, come in bursts, and are the same for the same seed", () => {
  const due = firstDue(1_000, "poisson", 20_000);
  const gaps = due.map((at, i) => at - (due[i - 1] ?? 0));
  assert.ok(Math.abs((due.at(-1) ?? 0) / 20_000 - 1) < 0.03);
  // Of exponential gaps, 1 - 1/e are shorter than the mean.
  const shorter = gaps.filter((gap) => gap < 1).length / gaps.length;
  assert.ok(Math.abs(shorter - (1 - 1 / Math.E)) < 0.02);
  assert.deepEqual(firstDue(1_000, "poisson", 20_000), due);
});
