import type { NodeResources, ReplicaReport } from "../../core/assignment.ts";
import {
  type ApplicationName,
  type DeploymentId,
  type DeploymentName,
  deploymentId,
  type Digest,
  type NodeId,
  type ReplicaId,
  type Version,
} from "../../core/ids.ts";
import type {
  ApplicationSpec,
  DeploymentOptionsSpec,
  DeploymentSpec,
  PlacementSpec,
  ResourceSpec,
} from "../../core/spec.ts";
import type {
  ApplicationRecord,
  ClusterState,
  NodeRecord,
  Release,
  ReplicaRecord,
} from "../../controller/decide/cluster.ts";
import { rolloutSpec } from "./rollout-fixture.ts";

/** What a test says of a deployment; the rest is filled in. */
export type DeploymentGiven = {
  readonly version?: string;
  readonly replicas?: number;
  readonly resources?: Partial<ResourceSpec>;
  readonly placement?: Partial<PlacementSpec>;
  readonly options?: Partial<DeploymentOptionsSpec>;
};

/** A deployment's specification with every option filled in. */
export function deploymentSpec(name: string, given: DeploymentGiven = {}): DeploymentSpec {
  return {
    name: name as DeploymentName,
    version: (given.version ?? "v1") as Version,
    options: {
      numReplicas: given.replicas ?? 1,
      autoscaling: undefined,
      rollout: rolloutSpec(),
      resources: { cpus: 0.1, gpus: 0, memoryBytes: 0, custom: {}, ...given.resources },
      placement: { labels: {}, maxReplicasPerNode: 0, ...given.placement },
      env: {},
      maxOngoingRequests: undefined,
      maxQueuedRequests: 1_000,
      requestTimeoutMs: 60_000,
      maxRequestBodyBytes: 8_388_608,
      idempotent: false,
      userConfig: undefined,
      startTimeoutMs: 120_000,
      healthCheckPeriodMs: 10_000,
      healthCheckTimeoutMs: 5_000,
      gracefulShutdownTimeoutMs: 20_000,
      routing: "leastOngoing",
      ...given.options,
    },
  };
}

/** An application's specification; its first deployment is the ingress. */
export function applicationSpec(
  name: string,
  deployments: Readonly<Record<string, DeploymentGiven>>,
  given: Partial<ApplicationSpec> = {},
): ApplicationSpec {
  const specs = Object.entries(deployments).map(([key, value]) => deploymentSpec(key, value));
  return {
    name: name as ApplicationName,
    routePrefix: "/",
    ingress: (specs[0]?.name ?? "") as DeploymentName,
    ingressKind: "predict",
    deployments: specs,
    bundle: "ab".repeat(32) as Digest,
    nativePackages: [],
    openapi: null,
    ...given,
  };
}

/** An application's record whose releases are these, oldest first; the last is the target. */
export function applicationRecord(
  specs: readonly ApplicationSpec[],
  given: Partial<ApplicationRecord> = {},
): ApplicationRecord {
  const releases = specs.map((spec, i): Release => ({ generation: i + 1, spec, secrets: {} })).reverse();
  const name = releases[0]?.spec.name ?? ("none" as ApplicationName);
  return { name, releases, target: specs.length, stable: 0, failure: undefined, isDeleting: false, ...given };
}

/** A live node with 4 cores. */
export function nodeRecord(id: string, given: Partial<NodeRecord> & { resources?: NodeResources } = {}): NodeRecord {
  return {
    id: id as NodeId,
    incarnation: 1,
    resources: nodeResources(),
    labels: {},
    state: "live",
    lastHeardAt: 0,
    isConnected: true,
    report: { httpUrl: "", reason: "", tableEpoch: 1, tableVersion: 1_000 },
    ...given,
  };
}

/** Four cores and 8 GiB, and what else a test says. */
export function nodeResources(given: Partial<NodeResources> = {}): NodeResources {
  return { cpus: 4, memoryBytes: 2 ** 33, gpus: [], custom: {}, ...given };
}

/** A report of a ready replica. */
export function replicaReport(id: string, given: Partial<ReplicaReport> = {}): ReplicaReport {
  return {
    id: id as ReplicaId,
    deployment: "app/D" as DeploymentId,
    version: "v1" as Version,
    state: "ready",
    reason: "",
    pid: 1,
    address: { host: "127.0.0.1", port: 1 },
    callSecret: `secret-of-${id}`,
    maxOngoingRequests: 16,
    ongoing: 0,
    provider: "",
    batches: [],
    utilisation: 0,
    health: "beating",
    isRetiring: false,
    restarts: 0,
    restartDelayMs: 0,
    failedStarts: 0,
    gpus: [],
    ...given,
  };
}

/** A ready replica of app/D in version v1 on node n1, known to every router. */
export function replicaRecord(id: string, given: Partial<ReplicaRecord> = {}): ReplicaRecord {
  const deployment = given.deployment ?? ("app/D" as DeploymentId);
  const version = given.version ?? ("v1" as Version);
  return {
    id: id as ReplicaId,
    deployment,
    version,
    node: "n1" as NodeId,
    gpus: [],
    desired: "run",
    createdAt: 0,
    isAdopted: false,
    pending: undefined,
    report: replicaReport(id, { deployment, version }),
    stateSince: 0,
    listed: { version: 1, at: 0 },
    unlisted: undefined,
    ...given,
  };
}

/** What a test says of a cluster. */
export type ClusterGiven = {
  readonly applications?: readonly ApplicationRecord[];
  readonly nodes?: readonly NodeRecord[];
  readonly replicas?: readonly ReplicaRecord[];
};

/** A recovered cluster of epoch 1 that started long ago. */
export function clusterState(given: ClusterGiven = {}, rest: Partial<ClusterState> = {}): ClusterState {
  return {
    epoch: 1,
    startedAt: 0,
    expectedNodes: [],
    isRecovered: true,
    graceUntil: 0,
    applications: new Map((given.applications ?? []).map((one) => [one.name, one])),
    nodes: new Map((given.nodes ?? []).map((one) => [one.id, one])),
    drains: new Map(),
    replicas: new Map((given.replicas ?? []).map((one) => [one.id, one])),
    targets: new Map(),
    loads: new Map(),
    metrics: new Map(),
    policies: new Map(),
    usage: new Map(),
    shifts: new Map(),
    verifications: new Map(),
    ...rest,
  };
}

/** `app/D`, branded. */
export function idOf(application: string, deployment: string): DeploymentId {
  return deploymentId(application as ApplicationName, deployment as DeploymentName);
}
