import type { NodeResources } from "../core/assignment.ts";
import type { DeploymentId } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import type { Behaviour, SimApplication, SimDeployment } from "./application.ts";
import { oneOf } from "./seed.ts";
import type { SourceOptions } from "./workload.ts";

/**
 * What a world consists of: nodes, applications and load. Drawn from the seed where size matters: roomy nodes and tight
 * ones, shared GPUs and whole ones, with and without room for old and new versions side by side; many short faults or
 * few long ones; an operator in a hurry or not.
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
  { gpus: 0.5, devices: [2, 1, 0] },
  { gpus: 1, devices: [2, 1, 0] },
  { gpus: 1, devices: [1, 0, 1] },
] as const;

const CPU_SHAPES = [2, 4] as const;

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
    behaviour: MODEL,
    ...more,
  };
}

/** An idempotent model, one that is not and fails at times, and a composition whose model wants GPUs. */
function applicationsWith(gpus: number): readonly SimApplication[] {
  const safe = deployment("Model", { replicas: 3, isIdempotent: true });
  const once = deployment("Slow", { maxOngoingRequests: 2, maxQueuedRequests: 6, behaviour: MOODY });
  const gateway = deployment("Gateway", {
    isIdempotent: true,
    behaviour: { ...MODEL, maxBatchSize: 0, calls: "Model" },
  });
  const model = deployment("Model", { gpus, isIdempotent: true });
  return [
    { name: "safe", codeVersion: 0, deployments: [safe] },
    { name: "once", codeVersion: 0, deployments: [once] },
    { name: "gpu", codeVersion: 0, deployments: [gateway, model] },
  ];
}

/** Draws a world's parts. */
export function scenarioOf(random: Random): Scenario {
  const { gpus, devices } = oneOf(random, GPU_SHAPES) ?? GPU_SHAPES[0];
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
    applications: applicationsWith(gpus),
    ...{ faultEveryMs, changeEveryMs, longestFaultMs },
    sources: SOURCES.map((source) => ({
      ...source,
      deployment: source.deployment as DeploymentId,
      cancelShare: CANCEL_SHARE,
    })),
  };
}
