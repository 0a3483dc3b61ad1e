import { readAutoscaling } from "./autoscaling-options.ts";
import { readDeploymentName } from "./deployment-name.ts";
import type { DeploymentName } from "./ids.ts";
import {
  DEFAULT_CPUS,
  DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_MS,
  DEFAULT_HEALTH_CHECK_PERIOD_MS,
  DEFAULT_HEALTH_CHECK_TIMEOUT_MS,
  DEFAULT_MAX_QUEUED_REQUESTS,
  DEFAULT_MAX_REQUEST_BODY_BYTES,
  DEFAULT_REQUEST_TIMEOUT_MS,
  DEFAULT_START_TIMEOUT_MS,
  LEAST_MEMORY_LIMIT_BYTES,
  MOST_OPTION_MS,
  MOST_REPLICAS,
  MOST_REQUEST_BODY_BYTES,
  MOST_SPEC_DEPTH,
} from "./limits.ts";
import { isRecord, joinPath } from "./problem-list.ts";
import type { NumberBounds, ProblemList } from "./problem-list.ts";
import { readRollout } from "./rollout-options.ts";
import type { DeploymentOptionsSpec, EnvValue, PlacementSpec, ResourceSpec, RoutingPolicy } from "./spec.ts";

const REPLICA_COUNT: NumberBounds = { least: 0, most: MOST_REPLICAS, isInteger: true };
const POSITIVE_COUNT: NumberBounds = { least: 1, most: 1_000_000, isInteger: true };
const COUNT: NumberBounds = { least: 0, most: 1_000_000, isInteger: true };
const AMOUNT: NumberBounds = { least: 0, most: Number.MAX_SAFE_INTEGER, isInteger: false };
const BYTES: NumberBounds = { least: 0, most: Number.MAX_SAFE_INTEGER, isInteger: true };
const BODY_BYTES: NumberBounds = { least: 1, most: MOST_REQUEST_BODY_BYTES, isInteger: true };
const DELAY_MS: NumberBounds = { least: 0, most: MOST_OPTION_MS, isInteger: false };
const TIMEOUT_MS: NumberBounds = { least: 1, most: MOST_OPTION_MS, isInteger: false };

const ROUTING_POLICIES: readonly RoutingPolicy[] = ["leastOngoing", "roundRobin", "weighted", "consistentHash"];
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Node reads these when a process starts; a replica's process has started before it is given its environment. */
const ENV_READ_AT_START = ["NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "LD_PRELOAD", "LD_LIBRARY_PATH"];

/** Every option there is, by the name users write. */
export const DEPLOYMENT_OPTION_NAMES = [
  "numReplicas",
  "autoscaling",
  "rollout",
  "resources",
  "placement",
  "env",
  "maxOngoingRequests",
  "maxQueuedRequests",
  "requestTimeoutMs",
  "maxRequestBodyBytes",
  "idempotent",
  "userConfig",
  "startTimeoutMs",
  "healthCheckPeriodMs",
  "healthCheckTimeoutMs",
  "gracefulShutdownTimeoutMs",
  "memoryLimitBytes",
  "routing",
  "fallback",
] as const satisfies readonly (keyof DeploymentOptionsSpec)[];

/**
 * Options as a user or another process wrote them → options with every default filled in. What is wrong is noted in
 * `problems` under `path`; the caller throws.
 */
export function readDeploymentOptions(problems: ProblemList, path: string, value: unknown): DeploymentOptionsSpec {
  const options = problems.readRecord(path, value);
  const at = (key: string): string => joinPath(path, key);
  problems.refuseUnknown(path, options, DEPLOYMENT_OPTION_NAMES);
  const millis = (key: keyof DeploymentOptionsSpec, bounds: NumberBounds, fallback: number): number =>
    problems.readNumber(at(key), options[key], bounds, fallback);
  if (options["userConfig"] !== undefined) checkJson(problems, at("userConfig"), options["userConfig"], 0);
  return {
    numReplicas: problems.readNumber(at("numReplicas"), options["numReplicas"], REPLICA_COUNT, 1),
    autoscaling: readAutoscaling(problems, at("autoscaling"), options["autoscaling"]),
    rollout: readRollout(problems, at("rollout"), options["rollout"]),
    resources: readResources(problems, at("resources"), options["resources"]),
    placement: readPlacement(problems, at("placement"), options["placement"]),
    env: readEnv(problems, at("env"), options["env"]),
    maxOngoingRequests: problems.readNumber(
      at("maxOngoingRequests"),
      options["maxOngoingRequests"],
      POSITIVE_COUNT,
      undefined,
    ),
    maxQueuedRequests: problems.readNumber(
      at("maxQueuedRequests"),
      options["maxQueuedRequests"],
      COUNT,
      DEFAULT_MAX_QUEUED_REQUESTS,
    ),
    requestTimeoutMs: millis("requestTimeoutMs", TIMEOUT_MS, DEFAULT_REQUEST_TIMEOUT_MS),
    maxRequestBodyBytes: problems.readNumber(
      at("maxRequestBodyBytes"),
      options["maxRequestBodyBytes"],
      BODY_BYTES,
      DEFAULT_MAX_REQUEST_BODY_BYTES,
    ),
    idempotent: problems.readBoolean(at("idempotent"), options["idempotent"], false),
    userConfig: options["userConfig"],
    startTimeoutMs: millis("startTimeoutMs", TIMEOUT_MS, DEFAULT_START_TIMEOUT_MS),
    healthCheckPeriodMs: millis("healthCheckPeriodMs", TIMEOUT_MS, DEFAULT_HEALTH_CHECK_PERIOD_MS),
    healthCheckTimeoutMs: millis("healthCheckTimeoutMs", TIMEOUT_MS, DEFAULT_HEALTH_CHECK_TIMEOUT_MS),
    gracefulShutdownTimeoutMs: millis("gracefulShutdownTimeoutMs", DELAY_MS, DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_MS),
    memoryLimitBytes: readMemoryLimit(problems, at("memoryLimitBytes"), options["memoryLimitBytes"]),
    routing: problems.readChoice(at("routing"), options["routing"], ROUTING_POLICIES, "leastOngoing"),
    fallback: readFallback(problems, at("fallback"), options["fallback"]),
  };
}

/** Nobody can mean a limit that a process passes before any user code runs. */
function readMemoryLimit(problems: ProblemList, path: string, value: unknown): number {
  const bytes = problems.readNumber(path, value, BYTES, 0);
  if (bytes > 0 && bytes < LEAST_MEMORY_LIMIT_BYTES) {
    problems.add(path, `is ${bytes} bytes; at least ${LEAST_MEMORY_LIMIT_BYTES} are needed, or 0 for no limit`);
  }
  return bytes;
}

function readResources(problems: ProblemList, path: string, value: unknown): ResourceSpec {
  const given = value === undefined || value === null ? {} : problems.readRecord(path, value);
  problems.refuseUnknown(path, given, ["cpus", "gpus", "memoryBytes", "custom"]);
  const gpus = problems.readNumber(joinPath(path, "gpus"), given["gpus"], AMOUNT, 0);
  if (gpus > 1 && !Number.isInteger(gpus)) {
    problems.add(joinPath(path, "gpus"), `must be a whole number, or a share of one GPU below 1, not ${gpus}`);
  }
  const custom: Record<string, number> = {};
  const customPath = joinPath(path, "custom");
  const declared = given["custom"] === undefined ? {} : problems.readRecord(customPath, given["custom"]);
  for (const [name, amount] of Object.entries(declared)) {
    custom[name] = problems.readNumber(joinPath(customPath, name), amount, AMOUNT, 0);
  }
  return {
    cpus: problems.readNumber(joinPath(path, "cpus"), given["cpus"], AMOUNT, DEFAULT_CPUS),
    gpus,
    memoryBytes: problems.readNumber(joinPath(path, "memoryBytes"), given["memoryBytes"], BYTES, 0),
    custom,
  };
}

function readPlacement(problems: ProblemList, path: string, value: unknown): PlacementSpec {
  const given = value === undefined || value === null ? {} : problems.readRecord(path, value);
  problems.refuseUnknown(path, given, ["labels", "maxReplicasPerNode"]);
  const labelsPath = joinPath(path, "labels");
  const labels: Record<string, string> = {};
  const declared = given["labels"] === undefined ? {} : problems.readRecord(labelsPath, given["labels"]);
  for (const [name, label] of Object.entries(declared)) {
    labels[name] = problems.readText(joinPath(labelsPath, name), label, /^.{0,256}$/, "a text");
  }
  const maxReplicasPerNode = problems.readNumber(
    joinPath(path, "maxReplicasPerNode"),
    given["maxReplicasPerNode"],
    REPLICA_COUNT,
    0,
  );
  return { labels, maxReplicasPerNode };
}

/** Whether there is such a deployment is for `checkFallbacks` to say, which knows all of them. */
function readFallback(problems: ProblemList, path: string, value: unknown): DeploymentName | undefined {
  return value === undefined || value === null ? undefined : readDeploymentName(problems, path, value);
}

function readEnv(problems: ProblemList, path: string, value: unknown): Readonly<Record<string, EnvValue>> {
  const given = value === undefined || value === null ? {} : problems.readRecord(path, value);
  const env: Record<string, EnvValue> = {};
  for (const [name, entry] of Object.entries(given)) {
    const at = joinPath(path, name);
    if (!ENV_NAME.test(name)) problems.add(at, "is not a name of an environment variable");
    if (ENV_READ_AT_START.includes(name)) {
      problems.add(at, "is read when a process starts, which is too early here; set it where `serve start` runs");
    }
    if (typeof entry === "string" && !entry.includes("\0")) {
      env[name] = entry;
    } else if (isRecord(entry) && typeof entry["secret"] === "string") {
      env[name] = { secret: problems.readText(at, entry["secret"], ENV_NAME, "a secret's name: letters, digits, _") };
    } else {
      problems.add(at, 'must be a text or secret("NAME")');
    }
  }
  return env;
}

/** Notes everything in `value` that JSON cannot carry. */
function checkJson(problems: ProblemList, path: string, value: unknown, depth: number): void {
  if (depth > MOST_SPEC_DEPTH) {
    problems.add(path, `is nested deeper than ${MOST_SPEC_DEPTH} levels, or contains itself`);
    return;
  }
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) problems.add(path, "must be a finite number");
    return;
  }
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkJson(problems, joinPath(path, index), item, depth + 1);
    return;
  }
  if (!isRecord(value)) {
    problems.add(path, "must be a JSON value: text, number, true, false, null, list or object");
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) checkJson(problems, joinPath(path, key), item, depth + 1);
  }
}
