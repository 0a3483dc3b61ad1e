import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NO_OUTCOMES } from "../../../../controller/decide/gate.ts";
import {
  advance,
  countFor,
  firstStage,
  percentFor,
  type RolloutStage,
  type StageInput,
} from "../../../../controller/decide/rollout-stage.ts";
import type { RolloutSpec } from "../../../../core/spec.ts";
import { rolloutSpec } from "../../../fake/rollout-fixture.ts";

const CANARY = { strategy: "canary", steps: [5, 25, 100], gateWindowMs: 10_000 } as const;
const step = (index: number): RolloutStage => ({ kind: "step", index });
const STARTING: RolloutStage = { kind: "starting" };

function next(spec: Partial<RolloutSpec>, stage: RolloutStage, given: Partial<StageInput> = {}, now = 0): string {
  const none = { target: 10, serving: 10, isPaused: false, isKnown: false, verification: undefined, scores: {} };
  const more = { requestTimeoutMs: 60_000 };
  const decision = advance({ ...none, ...more, spec: rolloutSpec(spec), stage, watch: undefined, ...given }, now);
  switch (decision.kind) {
    case "wait":
      return `wait: ${decision.reason}`;
    case "ask":
      return "ask";
    case "refuse":
      return `refuse: ${decision.reason}: ${decision.cause}`;
    case "advance": {
      const { stage: to } = decision;
      return `${to.kind}${to.kind === "step" ? ` ${to.index}` : ""}: ${decision.reason}`;
    }
  }
}

const watch = { since: 0, newVersion: NO_OUTCOMES, oldVersion: NO_OUTCOMES };

describe("a canary", () => {
  it("starts as many as its first step takes, gives it its share, watches it, and goes on", () => {
    assert.deepEqual(firstStage(rolloutSpec(CANARY), false), STARTING);
    assert.equal(countFor(STARTING, rolloutSpec(CANARY), 10), 1);
    assert.equal(next(CANARY, STARTING, { serving: 0 }), "wait: starting");
    assert.equal(next(CANARY, STARTING, { serving: 1 }), "step 0: serving");
    assert.equal(next(CANARY, step(0), { watch }, 9_999), "wait: watching");
    assert.equal(next(CANARY, step(0), { watch }, 10_000), "step 1: gatesHold");
    assert.equal(countFor(step(1), rolloutSpec(CANARY), 10), 3);
    assert.equal(next(CANARY, step(1), { watch }, 10_000), "rolling: gatesHold");
  });

  it("gives a step's share only when enough serves for it, until then that of the step before", () => {
    const percent = (serving: number): number | undefined =>
      percentFor(step(1), rolloutSpec(CANARY), { target: 10, serving });
    assert.deepEqual([percent(0), percent(1), percent(2), percent(3)], [0, 5, 5, 25]);
    assert.equal(next(CANARY, step(1), { serving: 2, watch }, 60_000), "wait: starting");
  });

  it("that was sent requests and answers none is not taken for a good one", () => {
    const silent = { ...watch, newVersion: { sent: 30, answered: 0, failed: 0, firstError: "", latencies: [] } };
    assert.equal(next(CANARY, step(0), { watch: silent }, 10_000), "wait: unanswered");
    assert.equal(next(CANARY, step(0), { watch: silent }, 120_001), "step 1: gatesHold", "not for ever");
  });

  it("of a deployment that rests at no replica starts one all the same", () => {
    assert.equal(countFor(STARTING, rolloutSpec(CANARY), 0), 1);
    assert.equal(countFor(STARTING, rolloutSpec({ strategy: "blueGreen" }), 0), 1);
    assert.equal(next(CANARY, STARTING, { target: 0, serving: 0 }), "wait: starting");
  });

  it("stays at a last step below 100 until it is promoted", () => {
    const half = { ...CANARY, steps: [50] };
    assert.equal(next(half, step(0), { watch }, 60_000), "wait: lastStep");
  });

  it("that is paused goes no further, and is refused all the same", () => {
    assert.equal(next(CANARY, step(0), { watch, isPaused: true }, 60_000), "wait: paused");
    const bad = { ...watch, newVersion: { sent: 100, answered: 100, failed: 50, firstError: "", latencies: [] } };
    assert.match(next(CANARY, step(0), { watch: bad, isPaused: true }, 1_000), /^refuse: gateFailed: errorRate 50/);
  });

  it("of a version that served before goes straight on", () => {
    assert.deepEqual(firstStage(rolloutSpec(CANARY), true), { kind: "rolling" });
    const blueGreen = { strategy: "blueGreen", hasVerify: true } as const;
    assert.equal(next(blueGreen, STARTING, { isKnown: true }), "switched: servedBefore");
  });
});

describe("verify", () => {
  const spec = { ...CANARY, hasVerify: true };
  const VERIFYING: RolloutStage = { kind: "verifying" };

  it("is asked before any share is given, and its scores are held against their gates", () => {
    assert.equal(next(spec, STARTING), "verifying: serving");
    assert.equal(percentFor(VERIFYING, rolloutSpec(spec), { target: 10, serving: 10 }), 0);
    assert.equal(next(spec, VERIFYING), "ask");
    assert.equal(next(spec, VERIFYING, { verification: { kind: "asked" } }), "wait: verifying");
    const passed = { kind: "passed", scores: { accuracy: 0.8 } } as const;
    assert.equal(next(spec, VERIFYING, { verification: passed }), "step 0: verified");
    const gated = { ...spec, gates: [{ metric: "accuracy", least: 0.9 }] };
    assert.match(next(gated, VERIFYING, { verification: passed }), /^refuse: gateFailed: score accuracy is 0.8/);
  });

  it("that refuses takes the version back", () => {
    const verification = { kind: "refused", cause: "wrong label" } as const;
    assert.equal(
      next(spec, VERIFYING, { verification }),
      "refuse: verifyRefused: verify refused the version: wrong label",
    );
  });

  it("of a rolling deployment is asked of one replica first; without it nothing is held back", () => {
    assert.deepEqual(firstStage(rolloutSpec({}), false), { kind: "rolling" });
    const rolling = rolloutSpec({ hasVerify: true });
    assert.deepEqual(firstStage(rolling, false), STARTING);
    assert.deepEqual(firstStage(rolling, true), { kind: "rolling" });
    assert.equal(countFor(STARTING, rolling, 4), 1);
    assert.equal(
      next({ hasVerify: true }, VERIFYING, { verification: { kind: "passed", scores: {} } }),
      "rolling: verified",
    );
  });
});

describe("blue-green", () => {
  const spec = { strategy: "blueGreen" } as const;

  it("makes the whole new set first, then switches at once", () => {
    assert.equal(countFor(STARTING, rolloutSpec(spec), 10), 10);
    assert.equal(next(spec, STARTING, { serving: 9 }), "wait: starting");
    assert.equal(next(spec, STARTING), "switched: serving");
    assert.equal(percentFor({ kind: "switched" }, rolloutSpec(spec), { target: 10, serving: 10 }), 100);
  });

  it("is watched after the switch too", () => {
    const bad = { ...watch, newVersion: { sent: 100, answered: 50, failed: 50, firstError: "", latencies: [] } };
    assert.match(next(spec, { kind: "switched" }, { watch: bad }, 1_000), /^refuse: gateFailed/);
    assert.equal(next(spec, { kind: "switched" }, { watch }, 1_000), "wait: watching");
  });
});
