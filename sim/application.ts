import { readAutoscaling } from "../core/autoscaling-options.ts";
import type { ApplicationName, DeploymentName, Digest, Version } from "../core/ids.ts";
import { deploymentId } from "../core/ids.ts";
import { ProblemList } from "../core/problem-list.ts";
import { readRollout } from "../core/rollout-options.ts";
import type { ApplicationSpec, DeploymentOptionsSpec, DeploymentSpec } from "../core/spec.ts";
import type { DesiredDeployment } from "./event.ts";
import type { RunTimeOptions } from "./run-time.ts";

/**
 * Applications of the simulated world. There is no code in their bundles: how a replica behaves stands as JSON in the
 * environment variable `BEHAVIOUR` of its deployment, so it travels through specification, store and launch as a real
 * one's settings do.
 */

/** How replicas of a deployment behave. */
export type Behaviour = {
  readonly loadMs: number;
  /** Share of starts that fail but may succeed when tried again; 1 with `isPermanent`: a version that never starts. */
  readonly startFailureShare: number;
  readonly isPermanent: boolean;
  /** 0: each request runs by itself. */
  readonly maxBatchSize: number;
  readonly run: RunTimeOptions;
  /** Name of the deployment of its application that it calls for each request, through a handle; empty: none. */
  readonly calls: string;
  /** What its `verify` does; "none": there is none. */
  readonly verify: "none" | "passes" | "refuses";
};

/** One deployment as the operator thinks of it. */
export type SimDeployment = {
  readonly name: string;
  readonly replicas: number;
  readonly cpus: number;
  readonly gpus: number;
  readonly isIdempotent: boolean;
  readonly maxOngoingRequests: number;
  readonly maxQueuedRequests: number;
  /** As users write it; undefined: `replicas` is a fixed count. */
  readonly autoscaling: Readonly<Record<string, number>> | undefined;
  /** As users write it, but for `verify`, which its behaviour says. */
  readonly rollout: Readonly<Record<string, unknown>>;
  /** Deployment of its application that answers in its place; empty: none. */
  readonly fallback: string;
  readonly behaviour: Behaviour;
};

/** One application as the operator thinks of it. */
export type SimApplication = {
  readonly name: string;
  /** Changes with every deploy that changes code. */
  readonly codeVersion: number;
  /** The first is the ingress. */
  readonly deployments: readonly SimDeployment[];
};

const BEHAVIOUR = "BEHAVIOUR";
const BUNDLE = "0".repeat(64) as Digest;

function optionsOf(deployment: SimDeployment): DeploymentOptionsSpec {
  const problems = new ProblemList();
  const hasVerify = deployment.behaviour.verify !== "none";
  const options = readOptions(problems, { ...deployment, rollout: { ...deployment.rollout, hasVerify } });
  problems.throwIfAny(`the simulated deployment ${deployment.name} cannot be`);
  return options;
}

function readOptions(problems: ProblemList, deployment: SimDeployment): DeploymentOptionsSpec {
  return {
    numReplicas: deployment.replicas,
    autoscaling: readAutoscaling(problems, "autoscaling", deployment.autoscaling),
    rollout: readRollout(problems, "rollout", deployment.rollout),
    resources: { cpus: deployment.cpus, gpus: deployment.gpus, memoryBytes: 0, custom: {} },
    placement: { labels: {}, maxReplicasPerNode: 0 },
    env: { [BEHAVIOUR]: JSON.stringify(deployment.behaviour) },
    maxOngoingRequests: deployment.maxOngoingRequests,
    maxQueuedRequests: deployment.maxQueuedRequests,
    requestTimeoutMs: 10_000,
    maxRequestBodyBytes: 1024 * 1024,
    idempotent: deployment.isIdempotent,
    userConfig: undefined,
    startTimeoutMs: 10_000,
    healthCheckPeriodMs: 10_000,
    healthCheckTimeoutMs: 5_000,
    gracefulShutdownTimeoutMs: 5_000,
    routing: "leastOngoing",
    fallback: deployment.fallback === "" ? undefined : (deployment.fallback as DeploymentName),
  };
}

function versionOf(application: SimApplication, deployment: SimDeployment): Version {
  return `${deployment.name.slice(0, 6).toLowerCase()}-${application.codeVersion}` as Version;
}

function deploymentSpec(application: SimApplication, deployment: SimDeployment): DeploymentSpec {
  return {
    name: deployment.name as DeploymentName,
    version: versionOf(application, deployment),
    options: optionsOf(deployment),
  };
}

/** What is deployed, as the controller takes it. */
export function specOf(application: SimApplication): ApplicationSpec {
  return {
    name: application.name as ApplicationName,
    routePrefix: `/${application.name}`,
    ingress: (application.deployments[0]?.name ?? "") as DeploymentName,
    ingressKind: "predict",
    deployments: application.deployments.map((deployment) => deploymentSpec(application, deployment)),
    bundle: BUNDLE,
    nativePackages: [],
    openapi: {},
  };
}

/** What should run once a specification is deployed. */
export function desiredOf(spec: ApplicationSpec): readonly DesiredDeployment[] {
  return spec.deployments.map(({ name, version, options }) => {
    const { autoscaling, rollout, numReplicas } = options;
    const { isPermanent, verify } = behaviourOf(options);
    return {
      id: deploymentId(spec.name, name),
      version,
      least: autoscaling?.minReplicas ?? numReplicas,
      most: autoscaling?.maxReplicas ?? numReplicas,
      downscaleDelayMs: autoscaling?.downscaleDelayMs ?? 0,
      isAutoscaled: autoscaling !== undefined,
      maxUnavailable: rollout.maxUnavailable,
      hasVerify: verify !== "none",
      isBroken: isPermanent,
    };
  });
}

/** How a replica with these options behaves. */
export function behaviourOf(options: DeploymentOptionsSpec): Behaviour {
  const text = options.env[BEHAVIOUR];
  if (typeof text !== "string") throw new Error("the simulated deployment has no behaviour");
  return JSON.parse(text) as Behaviour;
}
