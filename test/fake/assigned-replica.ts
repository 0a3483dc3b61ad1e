import type { AssignedReplica } from "../../core/assignment.ts";
import type { ApplicationName, DeploymentId, DeploymentName, Digest, ReplicaId, Version } from "../../core/ids.ts";
import type { DeploymentOptionsSpec } from "../../core/spec.ts";
import { rolloutSpec } from "./rollout-fixture.ts";

const OPTIONS: DeploymentOptionsSpec = {
  numReplicas: 1,
  autoscaling: undefined,
  rollout: rolloutSpec(),
  resources: { cpus: 0.1, gpus: 0, memoryBytes: 0, custom: {} },
  placement: { labels: {}, maxReplicasPerNode: 0 },
  env: {},
  maxOngoingRequests: undefined,
  maxQueuedRequests: 1_000,
  requestTimeoutMs: 60_000,
  maxRequestBodyBytes: 1_024,
  idempotent: false,
  userConfig: undefined,
  startTimeoutMs: 10_000,
  healthCheckPeriodMs: 10_000,
  healthCheckTimeoutMs: 5_000,
  gracefulShutdownTimeoutMs: 20_000,
  routing: "leastOngoing",
};

/** A replica as a controller assigns it, with everything but what a test is about filled in. */
export function assignedReplica(
  id: string,
  changes: { readonly desired?: "run" | "drain"; readonly options?: Partial<DeploymentOptionsSpec> } = {},
): AssignedReplica {
  return {
    id: id as ReplicaId,
    deployment: "app/Model" as DeploymentId,
    version: "aaaaaaaaaaaa" as Version,
    desired: changes.desired ?? "run",
    launch: {
      application: "app" as ApplicationName,
      deployment: "Model" as DeploymentName,
      bundle: "b".repeat(64) as Digest,
      nativePackages: [],
      options: { ...OPTIONS, ...changes.options },
      secrets: {},
      gpus: [],
    },
  };
}
