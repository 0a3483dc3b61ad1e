import type { RolloutSpec } from "../../core/spec.ts";
import { judge, NO_OUTCOMES, type Outcomes } from "./gate.ts";

/**
 * How a deployment's requests move from its old version to a new one:
 *
 *   starting ──served──▶ verifying ──scores──▶ step 0 → step 1 → … ──100 %──▶ rolling        (canary)
 *      │                    │          └─────────────────────────────────────▶ switched      (blueGreen)
 *      └── without verify ──┴────────────────────────────────────────────────▶ rolling       (rolling)
 *
 * Up to the first step users reach the old version alone. `step i` gives the new one `steps[i]` percent, once enough of it
 * serves for that. `switched`: all requests go to the new one, and the old one stands by. `rolling`: replica by replica,
 * without shares. From any of them a gate, `verify` or a person can refuse the version, which takes its requests away at
 * once.
 */

/** Where a new version stands; stored. */
export type RolloutStage =
  | { readonly kind: "starting" }
  | { readonly kind: "verifying" }
  | { readonly kind: "step"; readonly index: number }
  | { readonly kind: "switched" }
  | { readonly kind: "rolling" };

/** What is known of a rollout. */
export type StageInput = {
  readonly spec: RolloutSpec;
  readonly stage: RolloutStage;
  readonly target: number;
  /** Replicas of the new version that every router knows. */
  readonly serving: number;
  readonly isPaused: boolean;
  /** It served before: what verify and steps are to find out is known. */
  readonly isKnown: boolean;
  /** Longest that one of its requests may take, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** What verify came to; undefined: it was not asked. */
  readonly verification: Verification | undefined;
  /** Scores of this version's verification. */
  readonly scores: Readonly<Record<string, number>>;
  /** What was seen since the shares were last changed. */
  readonly watch: Watch | undefined;
};

/** How verify of one version went. */
export type Verification =
  | { readonly kind: "asked" }
  | { readonly kind: "passed"; readonly scores: Readonly<Record<string, number>> }
  | { readonly kind: "refused"; readonly cause: string };

/** What was seen of both versions since `since`. */
export type Watch = { readonly since: number; readonly newVersion: Outcomes; readonly oldVersion: Outcomes };

/** What happens next. */
export type StageDecision =
  | {
      readonly kind: "wait";
      readonly reason: "starting" | "verifying" | "watching" | "unanswered" | "paused" | "lastStep" | "rolling";
    }
  | { readonly kind: "ask"; readonly reason: "serving" }
  | {
      readonly kind: "advance";
      readonly stage: RolloutStage;
      readonly scores?: Readonly<Record<string, number>>;
      readonly reason: "serving" | "verified" | "gatesHold" | "servedBefore";
    }
  | { readonly kind: "refuse"; readonly reason: "verifyRefused" | "gateFailed"; readonly cause: string };

/** Where a new version begins. One that served before has nothing to prove, and whoever goes back to it is in a hurry. */
export function firstStage({ strategy, hasVerify }: RolloutSpec, isKnown: boolean): RolloutStage {
  if (strategy === "blueGreen") return { kind: "starting" };
  return isKnown || (strategy === "rolling" && !hasVerify) ? { kind: "rolling" } : { kind: "starting" };
}

/** Replicas of the new version that a stage takes; undefined: the rolling of replicas decides. */
export function countFor(stage: RolloutStage, { strategy, steps }: RolloutSpec, target: number): number | undefined {
  switch (stage.kind) {
    case "rolling":
      return undefined;
    case "switched":
      return target;
    case "step":
      return shareOf(target, steps[stage.index] ?? 100);
    case "starting":
    case "verifying":
      // One at least: a deployment that rests at none must not get a version that nobody has seen start.
      if (strategy === "blueGreen") return Math.max(1, target);
      return strategy === "canary" ? shareOf(target, steps[0] ?? 100) : 1;
  }
}

/** Percent of the requests that the new version gets; undefined: there are no shares, every replica gets its part. */
export function percentFor(
  stage: RolloutStage,
  spec: RolloutSpec,
  has: { target: number; serving: number },
): number | undefined {
  switch (stage.kind) {
    case "rolling":
      return undefined;
    case "switched":
      return 100;
    case "starting":
    case "verifying":
      return 0;
    case "step": {
      // The share of a step is given when enough serves for it; until then that of the step before.
      const reached = spec.steps
        .slice(0, stage.index + 1)
        .filter((percent) => has.serving >= shareOf(has.target, percent));
      return reached.at(-1) ?? 0;
    }
  }
}

/** Decides whether a version goes on. */
export function advance(input: StageInput, now: number): StageDecision {
  const { spec, stage } = input;
  const refusal = refusalOf(input, now);
  if (refusal !== undefined) return refusal;
  switch (stage.kind) {
    case "starting":
      return started(input);
    case "verifying":
      return verified(input);
    case "step":
      return stepped(input, now);
    case "switched":
      return { kind: "wait", reason: isWatched(input, now) ? "lastStep" : "watching" };
    case "rolling":
      return { kind: "wait", reason: spec.strategy === "rolling" ? "rolling" : "lastStep" };
  }
}

/** Whether the stage has been watched for as long as the specification asks. */
export function isWatched({ spec, watch }: Pick<StageInput, "spec" | "watch">, now: number): boolean {
  return watch !== undefined && now - watch.since >= spec.gateWindowMs;
}

function refusalOf(input: StageInput, now: number): Extract<StageDecision, { kind: "refuse" }> | undefined {
  const { spec, stage, watch, scores, verification } = input;
  if (stage.kind === "verifying" && verification?.kind === "refused") {
    return { kind: "refuse", reason: "verifyRefused", cause: `verify refused the version: ${verification.cause}` };
  }
  if ((stage.kind !== "step" && stage.kind !== "switched") || watch === undefined) return undefined;
  const { newVersion, oldVersion } = watch;
  const gates = spec.gates.filter(({ metric }) => !isScore(metric));
  const verdict = judge({ gates, newVersion, oldVersion, scores, isOver: isWatched(input, now) });
  return verdict.kind === "fails" ? { kind: "refuse", reason: "gateFailed", cause: verdict.cause } : undefined;
}

function started(input: StageInput): StageDecision {
  const { spec, stage, target, serving, isKnown, isPaused } = input;
  if (serving < (countFor(stage, spec, target) ?? 0)) return { kind: "wait", reason: "starting" };
  if (isPaused) return { kind: "wait", reason: "paused" };
  if (spec.hasVerify && !isKnown) return { kind: "advance", stage: { kind: "verifying" }, reason: "serving" };
  return { kind: "advance", stage: next(spec), reason: isKnown ? "servedBefore" : "serving" };
}

function verified({ spec, verification, isPaused }: StageInput): StageDecision {
  if (verification === undefined) return { kind: "ask", reason: "serving" };
  if (verification.kind !== "passed") return { kind: "wait", reason: "verifying" };
  const { scores } = verification;
  const gates = spec.gates.filter(({ metric }) => isScore(metric));
  const verdict = judge({ gates, newVersion: NO_OUTCOMES, oldVersion: NO_OUTCOMES, scores, isOver: true });
  if (verdict.kind === "fails") return { kind: "refuse", reason: "gateFailed", cause: verdict.cause };
  if (isPaused) return { kind: "wait", reason: "paused" };
  return { kind: "advance", stage: next(spec), scores, reason: "verified" };
}

function stepped(input: StageInput, now: number): StageDecision {
  const { spec, stage, target, serving, isPaused } = input;
  if (stage.kind !== "step") return { kind: "wait", reason: "rolling" };
  const percent = spec.steps[stage.index] ?? 100;
  if (percentFor(stage, spec, { target, serving }) !== percent) return { kind: "wait", reason: "starting" };
  if (!isWatched(input, now)) return { kind: "wait", reason: "watching" };
  if (isUnanswered(input, now)) return { kind: "wait", reason: "unanswered" };
  if (isPaused) return { kind: "wait", reason: "paused" };
  const index = stage.index + 1;
  if (index >= spec.steps.length) return { kind: "wait", reason: "lastStep" };
  return { kind: "advance", stage: stepAt(spec, index), reason: "gatesHold" };
}

/** It was sent requests, and has answered none: its gates have nothing to go by before the first deadlines have passed. */
function isUnanswered({ watch, requestTimeoutMs }: StageInput, now: number): boolean {
  if (watch === undefined || now - watch.since > 2 * requestTimeoutMs) return false;
  return watch.newVersion.sent > 0 && watch.newVersion.answered === 0;
}

/** The stage in which users first reach the new version. */
function next(spec: RolloutSpec): RolloutStage {
  if (spec.strategy === "canary") return stepAt(spec, 0);
  return { kind: spec.strategy === "blueGreen" ? "switched" : "rolling" };
}

function stepAt({ steps }: RolloutSpec, index: number): RolloutStage {
  return (steps[index] ?? 100) >= 100 ? { kind: "rolling" } : { kind: "step", index };
}

function isScore(metric: string): boolean {
  return !["errorRate", "p50Ms", "p99Ms"].includes(metric);
}

function shareOf(target: number, percent: number): number {
  return Math.max(1, Math.ceil((target * percent) / 100));
}
