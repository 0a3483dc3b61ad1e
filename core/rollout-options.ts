import {
  DEFAULT_GATE_WINDOW_MS,
  DEFAULT_KEEP_OLD_MS,
  DEFAULT_MAX_SURGE,
  DEFAULT_ROLLOUT_STEPS,
  DEFAULT_VERIFY_TIMEOUT_MS,
  MOST_GATES,
  MOST_MATCH_RULES,
  MOST_OPTION_MS,
  MOST_REPLICAS,
  MOST_ROLLOUT_STEPS,
} from "./limits.ts";
import { joinPath } from "./problem-list.ts";
import type { NumberBounds, ProblemList, UnknownRecord } from "./problem-list.ts";
import type { GateSpec, RolloutSpec } from "./spec.ts";

const STRATEGIES: readonly RolloutSpec["strategy"][] = ["rolling", "canary", "blueGreen"];
const COUNT_OR_SHARE: NumberBounds = { least: 0, most: MOST_REPLICAS, isInteger: false };
const PERCENT: NumberBounds = { least: 0, most: 100, isInteger: false };
const DELAY_MS: NumberBounds = { least: 0, most: MOST_OPTION_MS, isInteger: false };
const TIMEOUT_MS: NumberBounds = { least: 1, most: MOST_OPTION_MS, isInteger: false };
const BOUND: NumberBounds = { least: -Number.MAX_VALUE, most: Number.MAX_VALUE, isInteger: false };
const FACTOR: NumberBounds = { least: 0, most: 1_000_000, isInteger: false };
/** Figures that every rollout has; any other is a score of the user's `verify`. */
const MEASURED = ["errorRate", "p50Ms", "p99Ms"];
const GATE_BOUNDS = ["most", "least", "mostTimes"] as const;
const SCORE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/;

const DEFAULT_GATES: readonly GateSpec[] = [
  { metric: "errorRate", most: 0.01 },
  { metric: "p99Ms", mostTimes: 2 },
];

const NAMES = [
  "strategy",
  "maxSurge",
  "maxUnavailable",
  "steps",
  "gateWindowMs",
  "gates",
  "match",
  "hasVerify",
  "verifyTimeoutMs",
  "keepOldMs",
] as const satisfies readonly (keyof RolloutSpec)[];

/** Whether a name is that of a score `verify` may give: a gate and a status line have to be able to say it. */
export function isScoreName(name: string): boolean {
  return SCORE_NAME.test(name) && !MEASURED.includes(name);
}

/** The option `rollout` with every default filled in, also where it is not given at all. */
export function readRollout(problems: ProblemList, path: string, value: unknown): RolloutSpec {
  const given = value === undefined || value === null ? {} : problems.readRecord(path, value);
  const at = (key: keyof RolloutSpec): string => joinPath(path, key);
  problems.refuseUnknown(
    path,
    given,
    NAMES,
    NAMES.map((name) => (name === "hasVerify" ? "verify" : name)),
  );
  const hasVerify = problems.readBoolean(at("hasVerify"), given["hasVerify"], false);
  const millis = (key: keyof RolloutSpec, bounds: NumberBounds, fallback: number): number =>
    problems.readNumber(at(key), given[key], bounds, fallback);
  return {
    strategy: problems.readChoice(at("strategy"), given["strategy"], STRATEGIES, "rolling"),
    ...readBudgets(problems, path, given),
    steps: readSteps(problems, at("steps"), given["steps"]),
    gateWindowMs: millis("gateWindowMs", TIMEOUT_MS, DEFAULT_GATE_WINDOW_MS),
    gates: readGates(problems, at("gates"), given["gates"], hasVerify),
    match: readMatch(problems, at("match"), given["match"]),
    hasVerify,
    verifyTimeoutMs: millis("verifyTimeoutMs", TIMEOUT_MS, DEFAULT_VERIFY_TIMEOUT_MS),
    keepOldMs: millis("keepOldMs", DELAY_MS, DEFAULT_KEEP_OLD_MS),
  };
}

function readBudgets(
  problems: ProblemList,
  path: string,
  given: UnknownRecord,
): Pick<RolloutSpec, "maxSurge" | "maxUnavailable"> {
  const budget = (key: "maxSurge" | "maxUnavailable", fallback: number): number => {
    const amount = problems.readNumber(joinPath(path, key), given[key], COUNT_OR_SHARE, fallback);
    if (amount > 1 && !Number.isInteger(amount)) {
      problems.add(joinPath(path, key), `must be a whole number, or below 1 a share of the replicas, not ${amount}`);
    }
    return amount;
  };
  const maxSurge = budget("maxSurge", DEFAULT_MAX_SURGE);
  const maxUnavailable = budget("maxUnavailable", 0);
  if (maxSurge === 0 && maxUnavailable === 0) {
    const message = "is 0 and maxUnavailable is 0, so no replica could ever be replaced; give one of them room";
    problems.add(joinPath(path, "maxSurge"), message);
  }
  return { maxSurge, maxUnavailable };
}

function readSteps(problems: ProblemList, path: string, value: unknown): readonly number[] {
  if (value === undefined || value === null) return DEFAULT_ROLLOUT_STEPS;
  const given = problems.readList(path, value);
  if (given.length === 0 || given.length > MOST_ROLLOUT_STEPS) {
    problems.add(path, `must have 1 to ${MOST_ROLLOUT_STEPS} steps, not ${given.length}`);
    return DEFAULT_ROLLOUT_STEPS;
  }
  const steps: number[] = [];
  for (const [i, step] of given.entries()) {
    const before = steps.at(-1);
    const percent = problems.readNumber(joinPath(path, i), step ?? Number.NaN, PERCENT, undefined);
    if (percent === undefined) continue;
    if (before !== undefined && percent <= before) {
      problems.add(joinPath(path, i), `is ${percent}, not above the step before it, ${before}`);
    }
    steps.push(percent);
  }
  return steps;
}

function readGates(problems: ProblemList, path: string, value: unknown, hasVerify: boolean): readonly GateSpec[] {
  if (value === undefined || value === null) return DEFAULT_GATES;
  const given = problems.readList(path, value);
  if (given.length > MOST_GATES) problems.add(path, `has ${given.length} gates; at most ${MOST_GATES} are possible`);
  return given.slice(0, MOST_GATES).map((gate, i) => readGate(problems, joinPath(path, i), gate, hasVerify));
}

function readGate(problems: ProblemList, path: string, value: unknown, hasVerify: boolean): GateSpec {
  const given = problems.readRecord(path, value);
  problems.refuseUnknown(path, given, ["metric", ...GATE_BOUNDS]);
  const what = `one of ${MEASURED.join(", ")}, or a score's name: letters, digits, _`;
  const metric = problems.readText(joinPath(path, "metric"), given["metric"], SCORE_NAME, what);
  if (metric !== "" && !hasVerify && !MEASURED.includes(metric)) {
    problems.add(joinPath(path, "metric"), `is ${metric}, a score, and there is no \`verify\` to give it`);
  }
  const bounds: { most?: number; least?: number; mostTimes?: number } = {};
  for (const key of GATE_BOUNDS) {
    const range = key === "mostTimes" ? FACTOR : BOUND;
    const bound = problems.readNumber(joinPath(path, key), given[key], range, undefined);
    if (bound !== undefined) bounds[key] = bound;
  }
  if (GATE_BOUNDS.every((key) => given[key] === undefined || given[key] === null)) {
    problems.add(path, `has no bound, so it would never close; give it one of ${GATE_BOUNDS.join(", ")}`);
  }
  return { metric, ...bounds };
}

function readMatch(problems: ProblemList, path: string, value: unknown): RolloutSpec["match"] {
  if (value === undefined || value === null) return [];
  const given = problems.readList(path, value);
  if (given.length > MOST_MATCH_RULES) {
    problems.add(path, `has ${given.length} rules; at most ${MOST_MATCH_RULES} are possible`);
  }
  return given.slice(0, MOST_MATCH_RULES).map((one, i) => {
    const rule = problems.readRecord(joinPath(path, i), one);
    problems.refuseUnknown(joinPath(path, i), rule, ["header", "value"]);
    const at = (key: string): string => joinPath(joinPath(path, i), key);
    const header = problems.readText(at("header"), rule["header"], HEADER_NAME, "the name of a header");
    const text = problems.readText(at("value"), rule["value"], HEADER_VALUE, "a header's value: 1 to 256 characters");
    return { header: header.toLowerCase(), value: text };
  });
}
