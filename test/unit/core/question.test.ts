import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_SCORES } from "../../../core/limits.ts";
import { ProblemList } from "../../../core/problem-list.ts";
import { isAnswer, isQuestion, refuseFlags } from "../../../core/question.ts";

test("questions and answers of other processes are looked at before they are believed", () => {
  assert.ok(isQuestion({ kind: "policy", input: {} }));
  assert.ok(isQuestion({ kind: "verify", oldVersion: "", newVersion: "b", timeoutMs: 1 }));
  for (const value of [null, 1, {}, { kind: "policy" }, { kind: "verify", newVersion: "b" }, { kind: "guess" }]) {
    assert.ok(!isQuestion(value), JSON.stringify(value));
  }
  assert.ok(isAnswer({ kind: "policy", target: 1.5 }));
  assert.ok(isAnswer({ kind: "verify", scores: {} }));
  assert.ok(isAnswer({ kind: "failed", reason: "" }));
  const many = Object.fromEntries(Array.from({ length: MOST_SCORES + 1 }, (_, i) => [`s${i}`, i]));
  const wrong = [{ kind: "policy", target: null }, { kind: "verify", scores: { a: "1" } }, { kind: "failed" }];
  for (const value of [undefined, [], ...wrong, { kind: "verify", scores: many }]) assert.ok(!isAnswer(value));
});

test("nobody says by hand that the code has a function", () => {
  const problems = new ProblemList();
  refuseFlags(problems, "at", { autoscaling: { hasPolicy: false }, rollout: { hasVerify: true, steps: [1] } });
  refuseFlags(problems, "at", { autoscaling: { minReplicas: 1 }, rollout: null });
  assert.deepEqual(
    problems.all.map(({ path }) => path),
    ["at.autoscaling.hasPolicy", "at.rollout.hasVerify"],
  );
});
