import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunResult } from "../../../sim/cluster.ts";
import { Summary } from "../../../sim/summary.ts";

function result(seed: number, more: Partial<RunResult>): RunResult {
  const counts = { hash: "", steps: 0, writes: 0, virtualMs: 61_000, requests: 600, outcomes: {} };
  return { seed, ...counts, faults: { powerLoss: 1, slowStore: 1 }, violations: [], tail: [], ...more };
}

function problemsOf(...results: readonly RunResult[]): readonly string[] {
  const summary = new Summary(500);
  for (const one of results) summary.add(one);
  return summary.problems();
}

test("a run is good when no seed broke a rule and each had its requests", () => {
  assert.deepEqual(problemsOf(result(1, {}), result(2, { requests: 500 })), []);
});

test("too few requests in one seed, or a fault that none had, fail it", () => {
  const faults = { powerLoss: 2, slowStore: 0 };
  assert.deepEqual(problemsOf(result(1, { faults }), result(2, { requests: 499, faults })), [
    "seed 2 had 499 requests, not 500",
    "no seed had the fault slowStore",
  ]);
  assert.deepEqual(problemsOf(result(1, { faults })), [], "one seed cannot show all of them");
});

test("a seed that broke a rule fails it, and ended too early to count as small", () => {
  const violations = [{ check: "once", at: 1, message: "" }];
  assert.deepEqual(problemsOf(result(1, { violations, requests: 3 }), result(2, {})), ["1 of 2 seeds broke a rule"]);
});

test("its last lines tell the least requests and virtual time of a seed, and how often each fault occurred", () => {
  const summary = new Summary(0);
  summary.add(result(1, {}));
  summary.add(result(2, { requests: 550, virtualMs: 60_500 }));
  assert.deepEqual(summary.lines(), [
    "faults: powerLoss 2, slowStore 2",
    "requests: 1150, at least 550 (seed 2) in at least 60.5 virtual s",
    "violations: 0 of 2 seeds",
  ]);
});
