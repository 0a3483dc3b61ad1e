import assert from "node:assert/strict";
import { test } from "node:test";
import { RunTimes } from "../../../routing/run-times.ts";

test("the latest answers are summed up: how many, their mean, their medians", () => {
  const times = new RunTimes();
  for (const runMs of [10, 20, 90]) times.add(runMs, 2);
  assert.deepEqual(times.summary(), { count: 3, meanMs: 40, lowMs: 10, medianMs: 20, medianShareMs: 10 });
  for (let more = 0; more < 32; more++) times.add(5, 1);
  assert.deepEqual(times.summary(), { count: 32, meanMs: 5, lowMs: 5, medianMs: 5, medianShareMs: 5 });
});

test("nothing is known before the first answer, and after it was cleared", () => {
  const times = new RunTimes();
  times.add(10, 1);
  times.clear();
  assert.deepEqual(times.summary(), { count: 0, meanMs: 0, lowMs: 0, medianMs: 0, medianShareMs: 0 });
});
