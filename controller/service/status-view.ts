import { type DeploymentId, deploymentId } from "../../core/ids.ts";
import type { ReplicaState } from "../../core/replica-state.ts";
import type {
  ApplicationStatusView,
  ClusterStatus,
  DeploymentStatusView,
  NodeStatusView,
  ReplicaStatusView,
} from "../../core/status.ts";
import { applicationVersion } from "../../core/version.ts";
import { applicationStatus } from "../decide/application-status.ts";
import { capacityOf, UNITS } from "../decide/capacity.ts";
import {
  type ApplicationRecord,
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  releaseOf,
  type ReplicaRecord,
  replicasOf,
  routedRelease,
} from "../decide/cluster.ts";
import { deploymentStatus } from "../decide/deployment-status.ts";

/** The whole cluster, as `GET status` answers it. */
export function clusterStatus(
  state: ClusterState,
  { self, storeProblems }: { readonly self: string; readonly storeProblems: readonly string[] },
): ClusterStatus {
  return {
    applications: [...state.applications.values()]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((application) => applicationView(state, application)),
    nodes: nodeViews(state),
    controller: { self, epoch: state.epoch, leader: self },
    store: { problems: storeProblems },
  };
}

/** One application, as `GET applications/{name}` answers it. */
export function applicationView(state: ClusterState, application: ApplicationRecord): ApplicationStatusView {
  const release = effectiveRelease(application);
  const effective = release === undefined || application.isDeleting ? [] : deploymentsOf(release).map(({ id }) => id);
  const left = [...state.replicas.values()].map(({ deployment }) => deployment);
  const isOurs = (id: DeploymentId): boolean => id.startsWith(`${application.name}/`);
  const ids = [...new Set([...effective, ...left.filter(isOurs)])];
  const failed = application.failure?.deployment;
  const isFailureShown = failed !== undefined && !ids.includes(failed) && !application.isDeleting;
  const deployments = [...ids, ...(isFailureShown ? [failed] : [])].map((id) => deploymentView(state, application, id));
  return {
    name: application.name,
    routePrefix: routedRelease(application)?.spec.routePrefix ?? "",
    ...applicationStatus(application, deployments),
    version: release === undefined ? "" : applicationVersion(release.spec.deployments),
    deployments,
  };
}

/** One deployment, as it stands in its application. */
export function deploymentView(
  state: ClusterState,
  application: ApplicationRecord,
  id: DeploymentId,
): DeploymentStatusView {
  const name = id.slice(application.name.length + 1);
  const release = application.isDeleting ? undefined : effectiveRelease(application);
  const spec = release?.spec.deployments.find((candidate) => candidate.name === name);
  const stable = releaseOf(application, application.stable)?.spec.deployments.find((one) => one.name === name);
  const replicas = replicasOf(state, id);
  const target = state.targets.get(id)?.target ?? 0;
  const { status, reason } = deploymentStatus({
    deployment: id,
    version: spec?.version,
    target,
    isStable: spec !== undefined && stable?.version === spec.version,
    failure: application.failure?.deployment === id && !application.isDeleting ? application.failure.reason : undefined,
    replicas,
  });
  return { name, status, targetReplicas: target, reason, replicas: replicas.map(replicaView) };
}

/** Nodes, ordered by id. */
export function nodeViews(state: ClusterState): readonly NodeStatusView[] {
  return [...state.nodes.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((node) => ({
      id: node.id,
      state: node.state,
      resources: resourcesOf(state, node.id),
      labels: node.labels,
      httpUrl: node.report.httpUrl,
      reason: node.report.reason,
    }));
}

/** The record and the id of a deployment that is known by name; undefined: none is. */
export function findDeployment(
  state: ClusterState,
  applicationName: string,
  name: string,
): { readonly application: ApplicationRecord; readonly id: DeploymentId } | undefined {
  const application = [...state.applications.values()].find((candidate) => candidate.name === applicationName);
  const spec = application?.releases.flatMap((release) => release.spec.deployments).find((one) => one.name === name);
  if (application === undefined || spec === undefined) return undefined;
  return { application, id: deploymentId(application.name, spec.name) };
}

function replicaView(replica: ReplicaRecord): ReplicaStatusView {
  const { report } = replica;
  return {
    id: replica.id,
    nodeId: replica.node ?? "",
    pid: report?.pid ?? 0,
    state: stateOf(replica),
    version: replica.version,
    ongoing: report?.ongoing ?? 0,
    provider: report?.provider ?? "",
    batches: report?.batches ?? [],
    restarts: report?.restarts ?? 0,
    reason: replica.pending?.reason ?? report?.reason ?? "",
    gpus: replica.gpus,
  };
}

function stateOf({ desired, report }: ReplicaRecord): ReplicaState {
  if (desired === "run") return report?.state ?? "starting";
  if (report?.state === "failed" || report?.state === "stopped") return report.state;
  return "draining";
}

function resourcesOf(state: ClusterState, node: NodeStatusView["id"]): NodeStatusView["resources"] {
  const record = [...state.nodes.values()].find(({ id }) => id === node);
  const capacity = record === undefined ? undefined : capacityOf(state, record.id);
  const total: Record<string, number> = {};
  const allocated: Record<string, number> = {};
  if (capacity === undefined) return { total, allocated };
  for (const [name, amount] of capacity.total) {
    const unit = name === "memoryBytes" ? 1 : UNITS;
    total[name] = amount / unit;
    allocated[name] = (amount - (capacity.free.get(name) ?? 0)) / unit;
  }
  total["gpus"] = capacity.gpus.length;
  allocated["gpus"] = capacity.gpus.reduce((sum, { freeUnits }) => sum + UNITS - freeUnits, 0) / UNITS;
  return { total, allocated };
}
