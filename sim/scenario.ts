import type { NodeResources } from "../core/assignment.ts";
import type { DeploymentId } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import type { Behaviour, SimApplication, SimDeployment } from "./application.ts";
import { between, chance, oneOf } from "./seed.ts";
import type { SourceOptions } from "./workload.ts";

/**
 * What a world consists of: nodes, applications and load. Drawn from the seed where size matters: roomy nodes and tight
 * ones, shared GPUs and whole ones, with and without room for old and new versions side by side; deployments of fixed size
 * and such that scale by themselves, replaced replica by replica, in steps or all at once; many short faults or few long
 * ones; an operator in a hurry or not.
 */

/** One world's parts. */
export type Scenario = {
  readonly nodes: ReadonlyMap<string, NodeResources>;
  readonly applications: readonly SimApplication[];
  readonly sources: readonly SourceOptions[];
  /** Time from one fault, and from one change by the operator, to the next, on average. */
  readonly faultEveryMs: number;
  readonly changeEveryMs: number;
  /** How long a fault lasts at most. */
  readonly longestFaultMs: number;
};

/** GPUs by node, and what a replica takes of one. Two replicas always fit; the last leaves no room for a third. */
const GPU_SHAPES = [
  { gpus: 0.5, devices: [2, 1, 0], isRoomy: true },
  { gpus: 1, devices: [2, 1, 0], isRoomy: false },
  { gpus: 1, devices: [1, 0, 1], isRoomy: false },
] as const;

/** With the fewest old and new do not always fit side by side, so versions are replaced replica by replica there. */
const CPU_SHAPES = [3, 4, 4] as const;
const ROOMY_CPUS = 4;

const FAULTS_EVERY_MS = [600, 1_200, 2_500] as const;
const CHANGES_EVERY_MS = [1_500, 4_000, 8_000] as const;
/** Shorter than a lease, about as long, and longer than a stream's keepalive. */
const LONGEST_FAULTS_MS = [2_000, 6_000, 15_000] as const;

const MODEL: Behaviour = {
  loadMs: 150,
  startFailureShare: 0,
  isPermanent: false,
  maxBatchSize: 8,
  run: { fixedMs: 4, perItemMs: 1, failureShare: 0, stallShare: 0.01, stallMs: 60 },
  calls: "",
  verify: "none",
};

/** One that has no batches, holds few requests, and fails now and then, also when it starts. */
const MOODY: Behaviour = {
  ...MODEL,
  startFailureShare: 0.1,
  maxBatchSize: 0,
  run: { fixedMs: 25, perItemMs: 0, failureShare: 0.02, stallShare: 0.01, stallMs: 200 },
};

const SOURCES = [
  { deployment: "safe/Model", requestsPerSecond: 12, burstFactor: 8, timeoutsMs: [2_000, 5_000, 10_000] },
  { deployment: "once/Slow", requestsPerSecond: 6, burstFactor: 15, timeoutsMs: [500, 2_000, 5_000] },
  { deployment: "gpu/Gateway", requestsPerSecond: 6, burstFactor: 4, timeoutsMs: [1_000, 5_000] },
] as const;

const CANCEL_SHARE = 0.05;

function deployment(name: string, more: Partial<SimDeployment>): SimDeployment {
  return {
    name,
    replicas: 2,
    cpus: 0.5,
    gpus: 0,
    isIdempotent: false,
    maxOngoingRequests: 16,
    maxQueuedRequests: 100,
    autoscaling: undefined,
    rollout: {},
    fallback: "",
    behaviour: MODEL,
    ...more,
  };
}

/** Bounds and delays, so short that a run sees several changes; one of three deployments has some. */
function autoscalingOf(random: Random): SimDeployment["autoscaling"] {
  const minReplicas = Math.floor(between(random, 0, 3));
  const maxReplicas = Math.floor(between(random, 3, 7));
  const drawn = {
    ...{ minReplicas, maxReplicas, initialReplicas: Math.max(1, minReplicas) },
    targetOngoingRequests: Math.floor(between(random, 1, 5)),
    upscaleDelayMs: between(random, 500, 1_000),
    downscaleDelayMs: between(random, 3_000, 6_000),
    scaleToZeroDelayMs: between(random, 4_000, 8_000),
  };
  return chance(random, 1 / 3) ? drawn : undefined;
}

/** How versions change: a third of the deployments in steps, a third all at once, where there is room for it. */
function rolloutOf(random: Random, isRoomy: boolean): Pick<SimDeployment, "rollout"> & Pick<Behaviour, "verify"> {
  const strategy = oneOf(random, ["rolling", "canary", "blueGreen"]) ?? "rolling";
  const budgets = { maxSurge: oneOf(random, [0.25, 1, 2]) ?? 1, maxUnavailable: chance(random, 0.2) ? 1 : 0 };
  const gates = [
    { metric: "errorRate", most: 0.12 },
    ...(chance(random, 0.5) ? [{ metric: "p99Ms", mostTimes: 4 }] : []),
  ];
  const times = { gateWindowMs: between(random, 500, 2_000), keepOldMs: between(random, 1_000, 5_000) };
  const steps = oneOf(random, [
    [20, 100],
    [5, 50, 100],
    [30, 60, 100],
  ]) ?? [100];
  const verify = chance(random, 1 / 3) ? "passes" : "none";
  if (!isRoomy) return { rollout: { ...budgets, gates, ...times }, verify: "none" };
  return { rollout: { strategy, steps, ...budgets, gates, ...times, verifyTimeoutMs: 5_000 }, verify };
}

/** A deployment with what the seed gives it of scaling and of changing versions. */
function drawn(
  random: Random,
  made: SimDeployment,
  room: { readonly isRoomy: boolean; readonly mayScale: boolean },
): SimDeployment {
  const { rollout, verify } = rolloutOf(random, room.isRoomy);
  const autoscaling = autoscalingOf(random);
  const behaviour = { ...made.behaviour, verify };
  return { ...made, rollout, behaviour, autoscaling: room.mayScale ? autoscaling : undefined };
}

/** An idempotent model, one that is not and fails at times, and a composition whose model wants GPUs. */
function applicationsWith(
  random: Random,
  { gpus, isGpuRoomy, isRoomy }: { readonly gpus: number; readonly isGpuRoomy: boolean; readonly isRoomy: boolean },
): readonly SimApplication[] {
  const room = { isRoomy, mayScale: true };
  const hasFallback = chance(random, 1 / 3);
  const fallback = hasFallback ? "Small" : "";
  const safe = drawn(random, deployment("Model", { replicas: 3, isIdempotent: true, fallback }), room);
  const small = deployment("Small", { replicas: 1, isIdempotent: true });
  const once = drawn(
    random,
    deployment("Slow", { maxOngoingRequests: 2, maxQueuedRequests: 6, behaviour: MOODY }),
    room,
  );
  const behaviour = { ...MODEL, maxBatchSize: 0, calls: "Model" };
  const gateway = drawn(random, deployment("Gateway", { isIdempotent: true, behaviour }), room);
  const gpuRoom = { isRoomy: isRoomy && isGpuRoomy, mayScale: false };
  const model = drawn(random, deployment("Model", { gpus, isIdempotent: true }), gpuRoom);
  return [
    { name: "safe", codeVersion: 0, deployments: hasFallback ? [safe, small] : [safe] },
    { name: "once", codeVersion: 0, deployments: [once] },
    { name: "gpu", codeVersion: 0, deployments: [gateway, model] },
  ];
}

/** Draws a world's parts. */
export function scenarioOf(random: Random): Scenario {
  const { gpus, devices, isRoomy: isGpuRoomy } = oneOf(random, GPU_SHAPES) ?? GPU_SHAPES[0];
  const cpus = oneOf(random, CPU_SHAPES) ?? CPU_SHAPES[0];
  const faultEveryMs = oneOf(random, FAULTS_EVERY_MS) ?? FAULTS_EVERY_MS[0];
  const changeEveryMs = oneOf(random, CHANGES_EVERY_MS) ?? CHANGES_EVERY_MS[0];
  const longestFaultMs = oneOf(random, LONGEST_FAULTS_MS) ?? LONGEST_FAULTS_MS[0];
  const nodes = devices.map((count, index): [string, NodeResources] => {
    const ids = Array.from({ length: count }, (_, device) => `gpu-${device}`);
    return [`node-${index + 1}`, { cpus, memoryBytes: 1e9, gpus: ids, custom: {} }];
  });
  return {
    nodes: new Map(nodes),
    applications: applicationsWith(random, { gpus, isGpuRoomy, isRoomy: cpus >= ROOMY_CPUS }),
    ...{ faultEveryMs, changeEveryMs, longestFaultMs },
    sources: SOURCES.map((source) => ({
      ...source,
      deployment: source.deployment as DeploymentId,
      cancelShare: CANCEL_SHARE,
    })),
  };
}
