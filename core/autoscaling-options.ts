import {
  DEFAULT_DOWNSCALE_DELAY_MS,
  DEFAULT_MAX_REPLICAS,
  DEFAULT_MIN_REPLICAS,
  DEFAULT_SCALE_TO_ZERO_DELAY_MS,
  DEFAULT_TARGET_ONGOING_REQUESTS,
  DEFAULT_TARGET_UTILISATION,
  DEFAULT_UPSCALE_DELAY_MS,
  MOST_OPTION_MS,
  MOST_REPLICAS,
} from "./limits.ts";
import type { NumberBounds, ProblemList } from "./problem-list.ts";
import { joinPath } from "./problem-list.ts";
import type { AutoscalingSpec, ScalingMetricSpec } from "./spec.ts";

const REPLICA_COUNT: NumberBounds = { least: 0, most: MOST_REPLICAS, isInteger: true };
const DELAY_MS: NumberBounds = { least: 0, most: MOST_OPTION_MS, isInteger: false };
const AMOUNT: NumberBounds = { least: 0.01, most: 1_000_000, isInteger: false };
const SHARE: NumberBounds = { least: 0.01, most: 1, isInteger: false };
const METRIC_NAME = /^[A-Za-z_:][A-Za-z0-9_:]{0,127}$/;
const HTTP_URL = /^https?:\/\/\S{1,2000}$/;

const NAMES = [
  "minReplicas",
  "maxReplicas",
  "initialReplicas",
  "targetOngoingRequests",
  "upscaleDelayMs",
  "downscaleDelayMs",
  "scaleToZeroDelayMs",
  "targetUtilisation",
  "targetQueueDelayMs",
  "upscalingFactor",
  "downscalingFactor",
  "metric",
  "hasPolicy",
] as const satisfies readonly (keyof AutoscalingSpec)[];

/** The option `autoscaling` with every default filled in; undefined where it is not given. */
export function readAutoscaling(problems: ProblemList, path: string, value: unknown): AutoscalingSpec | undefined {
  if (value === undefined || value === null) return undefined;
  const given = problems.readRecord(path, value);
  problems.refuseUnknown(
    path,
    given,
    NAMES,
    NAMES.map((name) => (name === "hasPolicy" ? "policy" : name)),
  );
  const number = (key: keyof AutoscalingSpec, bounds: NumberBounds, fallback: number): number =>
    problems.readNumber(joinPath(path, key), given[key], bounds, fallback);
  return {
    ...readCounts(problems, path, given),
    targetOngoingRequests: number("targetOngoingRequests", AMOUNT, DEFAULT_TARGET_ONGOING_REQUESTS),
    upscaleDelayMs: number("upscaleDelayMs", DELAY_MS, DEFAULT_UPSCALE_DELAY_MS),
    downscaleDelayMs: number("downscaleDelayMs", DELAY_MS, DEFAULT_DOWNSCALE_DELAY_MS),
    scaleToZeroDelayMs: number("scaleToZeroDelayMs", DELAY_MS, DEFAULT_SCALE_TO_ZERO_DELAY_MS),
    targetUtilisation: number("targetUtilisation", SHARE, DEFAULT_TARGET_UTILISATION),
    targetQueueDelayMs: problems.readNumber(
      joinPath(path, "targetQueueDelayMs"),
      given["targetQueueDelayMs"],
      { ...DELAY_MS, least: 1 },
      undefined,
    ),
    upscalingFactor: number("upscalingFactor", SHARE, 1),
    downscalingFactor: number("downscalingFactor", SHARE, 1),
    metric: readMetric(problems, joinPath(path, "metric"), given["metric"]),
    hasPolicy: problems.readBoolean(joinPath(path, "hasPolicy"), given["hasPolicy"], false),
  };
}

type Counts = Pick<AutoscalingSpec, "minReplicas" | "maxReplicas" | "initialReplicas">;

function readCounts(problems: ProblemList, path: string, given: Readonly<Record<string, unknown>>): Counts {
  const count = (key: keyof Counts, fallback: number, least = 0): number =>
    problems.readNumber(joinPath(path, key), given[key], { ...REPLICA_COUNT, least }, fallback);
  const minReplicas = count("minReplicas", DEFAULT_MIN_REPLICAS);
  const maxReplicas = count("maxReplicas", Math.max(DEFAULT_MAX_REPLICAS, minReplicas), 1);
  const initialReplicas = count("initialReplicas", minReplicas);
  if (minReplicas > maxReplicas) {
    problems.add(joinPath(path, "minReplicas"), `is ${minReplicas}, above maxReplicas ${maxReplicas}`);
  } else if (initialReplicas < minReplicas || initialReplicas > maxReplicas) {
    const message = `is ${initialReplicas}, not between minReplicas ${minReplicas} and maxReplicas ${maxReplicas}`;
    problems.add(joinPath(path, "initialReplicas"), message);
  }
  return { minReplicas, maxReplicas, initialReplicas };
}

function readMetric(problems: ProblemList, path: string, value: unknown): ScalingMetricSpec | undefined {
  if (value === undefined || value === null) return undefined;
  const given = problems.readRecord(path, value);
  problems.refuseUnknown(path, given, ["name", "targetPerReplica", "url"]);
  const url = given["url"];
  return {
    name: problems.readText(
      joinPath(path, "name"),
      given["name"],
      METRIC_NAME,
      "a metric's name: letters, digits, _, :",
    ),
    targetPerReplica: problems.readNumber(
      joinPath(path, "targetPerReplica"),
      given["targetPerReplica"],
      { ...AMOUNT, least: 0.000_001, most: Number.MAX_SAFE_INTEGER },
      1,
    ),
    url:
      url === undefined ? undefined : problems.readText(joinPath(path, "url"), url, HTTP_URL, "an http or https URL"),
  };
}
