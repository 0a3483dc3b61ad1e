import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProblemList } from "../../../core/problem-list.ts";
import { readRollout } from "../../../core/rollout-options.ts";

function problemsOf(value: unknown): readonly string[] {
  const problems = new ProblemList();
  readRollout(problems, "rollout", value);
  return problems.all.map(({ path }) => path);
}

function messageOf(value: unknown): string {
  const problems = new ProblemList();
  readRollout(problems, "rollout", value);
  return problems.all.map(({ message }) => message).join("; ");
}

describe("the option rollout", () => {
  it("has every default filled in where it is not given", () => {
    assert.deepEqual(readRollout(new ProblemList(), "rollout", undefined), {
      strategy: "rolling",
      maxSurge: 0.25,
      maxUnavailable: 0,
      steps: [5, 25, 100],
      gateWindowMs: 10_000,
      gates: [
        { metric: "errorRate", most: 0.01 },
        { metric: "p99Ms", mostTimes: 2 },
      ],
      match: [],
      hasVerify: false,
      verifyTimeoutMs: 600_000,
      keepOldMs: 600_000,
    });
  });

  it("survives JSON", () => {
    const given = {
      strategy: "canary",
      maxSurge: 3,
      steps: [0, 12.5, 50],
      gates: [{ metric: "accuracy", least: -0.5, mostTimes: 1.2 }],
      match: [{ header: "X-Group", value: "beta testers" }],
      hasVerify: true,
    };
    const problems = new ProblemList();
    const spec = readRollout(problems, "rollout", given);
    assert.deepEqual(problems.all, []);
    assert.deepEqual(spec.match, [{ header: "x-group", value: "beta testers" }]);
    assert.deepEqual(readRollout(problems, "rollout", JSON.parse(JSON.stringify(spec))), spec);
    assert.deepEqual(problems.all, []);
  });

  it("keeps an empty list of gates: a rollout that nothing watches", () => {
    assert.deepEqual(readRollout(new ProblemList(), "rollout", { gates: [] }).gates, []);
  });

  it("takes steps in ascending order only, at least one of them, from 0 to 100", () => {
    assert.deepEqual(problemsOf({ steps: [] }), ["rollout.steps"]);
    assert.deepEqual(problemsOf({ steps: [25, 5] }), ["rollout.steps[1]"]);
    assert.deepEqual(problemsOf({ steps: [5, 5, 10] }), ["rollout.steps[1]"]);
    assert.deepEqual(problemsOf({ steps: [5, 101] }), ["rollout.steps[1]"]);
    assert.deepEqual(problemsOf({ steps: [-1] }), ["rollout.steps[0]"]);
    assert.deepEqual(problemsOf({ steps: [null, "5"] }), ["rollout.steps[0]", "rollout.steps[1]"]);
    assert.deepEqual(problemsOf({ steps: "5" }), ["rollout.steps", "rollout.steps"]);
    assert.deepEqual(readRollout(new ProblemList(), "", { steps: [] }).steps, [5, 25, 100]);
    assert.deepEqual(problemsOf({ steps: Array.from({ length: 21 }, (_, i) => i) }), ["rollout.steps"]);
  });

  it("refuses a gate without a bound, and one of a score that nobody gives", () => {
    assert.match(messageOf({ gates: [{ metric: "errorRate" }] }), /no bound/);
    assert.match(messageOf({ gates: [{ metric: "accuracy", least: 0.9 }] }), /no `verify`/);
    assert.deepEqual(problemsOf({ hasVerify: true, gates: [{ metric: "accuracy", least: 0.9 }] }), []);
    assert.deepEqual(problemsOf({ gates: [{ metric: "p99 ms", most: 1 }] }), ["rollout.gates[0].metric"]);
    assert.deepEqual(problemsOf({ gates: [{ metric: "p99Ms", mostTimes: -1 }] }), ["rollout.gates[0].mostTimes"]);
  });

  it("takes a count or a share as budget, and refuses budgets under which nothing could move", () => {
    assert.deepEqual(problemsOf({ maxSurge: 1.5 }), ["rollout.maxSurge"]);
    assert.deepEqual(problemsOf({ maxSurge: 0 }), ["rollout.maxSurge"]);
    assert.deepEqual(problemsOf({ maxSurge: 0, maxUnavailable: 1 }), []);
  });

  it("lists everything else that is wrong, each with its path", () => {
    const match = [{ header: "two words", value: "" }];
    const given = { strategy: "big bang", surge: 1, gateWindowMs: 0, keepOldMs: -1, match };
    assert.deepEqual(problemsOf(given).toSorted(), [
      "rollout.gateWindowMs",
      "rollout.keepOldMs",
      "rollout.match[0].header",
      "rollout.match[0].value",
      "rollout.strategy",
      "rollout.surge",
    ]);
  });
});
