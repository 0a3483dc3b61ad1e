import assert from "node:assert/strict";
import { test } from "node:test";
import type { Version } from "../../../../core/ids.ts";
import { MOST_POLICY_RUNS, POLICY_LEFT_AFTER_ASKS, POLICY_TIMEOUT_MS } from "../../../../core/limits.ts";
import type { Answer, PolicyFigures, Question } from "../../../../core/question.ts";
import type { ControlFunctions, PolicyInput } from "../../../../sdk/control-functions.ts";
import { ControlAnswers } from "../../../../worker/replica/answer.ts";
import { ManualClock, settle } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const FIGURES: PolicyFigures = {
  target: 2,
  ready: 2,
  ongoing: 9,
  queued: 3,
  arrivedPerSecond: 20,
  utilisation: 0.9,
  minReplicas: 1,
  maxReplicas: 8,
};
const POLICY: Question = { kind: "policy", input: FIGURES };

function verifyOf(oldVersion: string, newVersion = "new"): Question {
  return { kind: "verify", oldVersion: oldVersion as Version, newVersion: newVersion as Version, timeoutMs: 5_000 };
}

function answersOf(functions: ControlFunctions): { clock: ManualClock; answers: ControlAnswers } {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const toHandle = (version: Version): unknown => `handle of ${version}`;
  return { clock, answers: new ControlAnswers({ clock, log, functions, applicationDir: "/app", toHandle }) };
}

function reasonOf(answer: Answer): string {
  return answer.kind === "failed" ? answer.reason : assert.fail(`answered ${JSON.stringify(answer)}`);
}

test("a policy sees the figures and the state that it returned before", async () => {
  const seen: PolicyInput[] = [];
  const { answers } = answersOf({
    policy(input) {
      seen.push(input);
      return seen.length === 3 ? 2.5 : { target: 4, state: seen.length };
    },
  });
  assert.deepEqual(await answers.answer(POLICY), { kind: "policy", target: 4 });
  await answers.answer(POLICY);
  assert.deepEqual(await answers.answer(POLICY), { kind: "policy", target: 2.5 });
  await answers.answer(POLICY);
  const { signal, ...figures } = seen[0] ?? assert.fail();
  assert.deepEqual([figures, signal.aborted], [{ ...FIGURES, state: undefined }, false]);
  assert.deepEqual(
    seen.map(({ state }) => state),
    [undefined, 1, 2, 2],
    "a plain number leaves the state",
  );
});

test("a policy that returns no number of replicas, or throws, has failed, and is asked again the next time", async () => {
  const results = [Number.NaN, -1, "3", undefined, {}, new Error("no data")];
  const { answers } = answersOf({
    policy() {
      const result = results.shift();
      if (result instanceof Error) throw result;
      return result ?? (results.length === 0 ? 1 : undefined);
    },
  });
  for (let i = 0; i < 5; i++) assert.match(reasonOf(await answers.answer(POLICY)), /no number of replicas/);
  assert.match(reasonOf(await answers.answer(POLICY)), /`policy` threw Error: no data/);
  assert.deepEqual(await answers.answer(POLICY), { kind: "policy", target: 1 });
});

test("a policy that is late has failed, and is not asked again before it is done", async () => {
  const late: ((target: number) => void)[] = [];
  const { clock, answers } = answersOf({ policy: () => new Promise((resolve) => late.push(resolve)) });
  const first = answers.answer(POLICY);
  await clock.advanceAsync(POLICY_TIMEOUT_MS);
  assert.match(reasonOf(await first), /did not answer within 1000 ms/);
  assert.match(reasonOf(await answers.answer(POLICY)), /before this one/);
  assert.equal(late.length, 1);
  late.pop()?.(3);
  await settle();
  const second = answers.answer(POLICY);
  await settle();
  late.pop()?.(5);
  assert.deepEqual(await second, { kind: "policy", target: 5 });
  assert.equal(clock.pendingCount, 0);
});

test("a policy that never ends is told to stop, and after a while it is run anew; what it says then is too late", async () => {
  const runs: { signal: AbortSignal; done: (result: unknown) => void }[] = [];
  const states: unknown[] = [];
  const { clock, answers } = answersOf({
    policy({ signal, state }) {
      states.push(state);
      return new Promise((done) => runs.push({ signal, done }));
    },
  });
  const first = answers.answer(POLICY);
  await clock.advanceAsync(POLICY_TIMEOUT_MS);
  assert.match(reasonOf(await first), /did not answer within/);
  assert.equal(runs[0]?.signal.aborted, true);
  for (let asked = 1; asked < POLICY_LEFT_AFTER_ASKS; asked++) {
    assert.match(reasonOf(await answers.answer(POLICY)), /before this one/);
  }
  const second = answers.answer(POLICY);
  await settle();
  runs[0]?.done({ target: 9, state: "old" });
  runs[1]?.done({ target: 2, state: "new" });
  assert.deepEqual(await second, { kind: "policy", target: 2 });
  void answers.answer(POLICY);
  await settle();
  assert.deepEqual(states, [undefined, undefined, "new"]);
});

test("runs of a policy that never ends are bounded", async () => {
  let runCount = 0;
  const { clock, answers } = answersOf({
    policy() {
      runCount += 1;
      return new Promise(() => {});
    },
  });
  let reason = "";
  for (let asked = 0; asked < 10 * MOST_POLICY_RUNS; asked++) {
    const answer = answers.answer(POLICY);
    await clock.advanceAsync(POLICY_TIMEOUT_MS);
    reason = reasonOf(await answer);
  }
  assert.equal(runCount, MOST_POLICY_RUNS);
  assert.match(reason, /may wait for ever/);
  assert.equal(clock.pendingCount, 0);
});

test("a replica that ends stops its policy, which may then be asked elsewhere", async () => {
  const { answers } = answersOf({ policy: () => new Promise(() => {}) });
  const answer = answers.answer(POLICY);
  await settle();
  answers.close();
  assert.equal(((await answer) as { isGone?: boolean }).isGone, true);
});

test("verify gets a handle of each version, and its scores are the answer", async () => {
  const seen: unknown[] = [];
  const { clock, answers } = answersOf({
    verify({ oldVersion, newVersion }) {
      seen.push(oldVersion, newVersion);
      return seen.length > 2 ? undefined : { accuracy: 0.5 };
    },
  });
  assert.deepEqual(await answers.answer(verifyOf("old")), { kind: "verify", scores: { accuracy: 0.5 } });
  assert.deepEqual(await answers.answer(verifyOf("")), { kind: "verify", scores: {} });
  assert.deepEqual(seen, ["handle of old", "handle of new", undefined, "handle of new"]);
  assert.equal(clock.pendingCount, 0);
});

test("verify's error keeps its message, and scores that no gate could name are refused", async () => {
  const results: unknown[] = [{ "a b": 1 }, { p99Ms: 1 }, { a: Number.NaN }, { a: "1" }, 3];
  const { answers } = answersOf({
    verify() {
      if (results.length === 0) throw new RangeError("accuracy fell to 0.2");
      return results.shift();
    },
  });
  const reasons: string[] = [];
  for (let i = 0; i < 6; i++) reasons.push(reasonOf(await answers.answer(verifyOf("old"))));
  assert.match(reasons.join("\n"), /"a b"[^]*"p99Ms"[^]*no finite number[^]*no finite number[^]*no record/);
  assert.match(reasons.at(-1) ?? "", /^`verify` threw RangeError: accuracy fell to 0.2/);
});

test("verify that takes too long is told to stop, and has failed", async () => {
  let signal: AbortSignal | undefined;
  const { clock, answers } = answersOf({
    verify(input) {
      ({ signal } = input);
      return new Promise(() => {});
    },
  });
  const answer = answers.answer(verifyOf("old"));
  await clock.advanceAsync(5_000);
  assert.deepEqual(await answer, { kind: "failed", reason: "`verify` did not answer within 5000 ms" });
  assert.equal(signal?.aborted, true);
});

test("verify that is asked again for the same versions answers both with one run, another pair ends it", async () => {
  const runs: { signal: AbortSignal; done: (scores: unknown) => void }[] = [];
  const { clock, answers } = answersOf({
    verify: ({ signal }) => new Promise((done) => runs.push({ signal, done })),
  });
  const both = [answers.answer(verifyOf("old")), answers.answer(verifyOf("old"))];
  await settle();
  assert.equal(runs.length, 1);
  const third = answers.answer(verifyOf("old", "newer"));
  for (const answer of both) assert.equal(((await answer) as { isGone?: boolean }).isGone, true);
  assert.equal(runs[0]?.signal.aborted, true);
  runs[1]?.done({ ok: 1 });
  assert.deepEqual(await third, { kind: "verify", scores: { ok: 1 } });
  assert.equal(clock.pendingCount, 0);
});

test("a replica that ends stops its verify, which may then be asked elsewhere", async () => {
  const { answers } = answersOf({ verify: () => new Promise(() => {}) });
  const answer = answers.answer(verifyOf("old"));
  await settle();
  answers.close();
  assert.deepEqual(await answer, {
    kind: "failed",
    reason: "the replica that ran `verify` is ending",
    isGone: true,
  });
});

test("code without the function says so", async () => {
  const { answers } = answersOf({});
  assert.match(reasonOf(await answers.answer(POLICY)), /no `policy`/);
  assert.match(reasonOf(await answers.answer(verifyOf("old"))), /no `verify`/);
});
