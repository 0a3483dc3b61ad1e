import {
  type ApplicationName,
  type DeploymentId,
  deploymentId,
  type NodeId,
  splitDeploymentId,
} from "../../core/ids.ts";
import type { ReplicaState } from "../../core/replica-state.ts";
import type {
  ApplicationStatusView,
  ClusterStatus,
  DeploymentStatusView,
  NodeStatusView,
  ReplicaStatusView,
} from "../../core/status.ts";
import type { DeploymentSpec } from "../../core/spec.ts";
import { applicationVersion } from "../../core/version.ts";
import { stageOf } from "../decide/advance-rollout.ts";
import { applicationStatus } from "../decide/application-status.ts";
import { capacityOf, UNITS } from "../decide/capacity.ts";
import {
  type ApplicationRecord,
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  indexOf,
  type NodeRecord,
  releaseOf,
  type ReplicaRecord,
  replicasOf,
  replicasOn,
  routedRelease,
} from "../decide/cluster.ts";
import { deploymentStatus } from "../decide/deployment-status.ts";
import { NO_USAGE } from "../decide/usage.ts";

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
  const left = [...indexOf(state).ofApplication(application.name).values()].map(({ deployment }) => deployment);
  const ids = [...new Set([...effective, ...left])];
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
  const rollout = rolloutView(state, id, spec);
  // The old set of a switch that is done is kept on purpose.
  const isStandingBy = ({ version, desired }: ReplicaRecord): boolean =>
    rollout?.stage === "switched" && stable?.version === spec?.version && version === rollout.from && desired === "run";
  const { status, reason } = deploymentStatus({
    deployment: id,
    version: spec?.version,
    target,
    isStable: spec !== undefined && stable?.version === spec.version,
    failure: application.failure?.deployment === id && !application.isDeleting ? application.failure.reason : undefined,
    replicas: replicas.filter((replica) => !isStandingBy(replica)),
  });
  const { replicaSeconds, gpuSeconds, idleSeconds } = state.usage.get(id) ?? NO_USAGE;
  const usage = {
    replicaSeconds: Math.round(replicaSeconds),
    gpuSeconds: Math.round(gpuSeconds),
    idleSeconds: Math.round(idleSeconds),
  };
  return {
    name,
    status,
    targetReplicas: target,
    reason: status === "updating" ? withStage(reason, rollout) : reason,
    replicas: replicas.map(replicaView),
    rollout,
    usage,
  };
}

/** How far the new version is, before what its replicas are at. */
function withStage(reason: string, rollout: DeploymentStatusView["rollout"]): string {
  if (rollout === undefined) return reason;
  const { stage, percent, to, isPaused } = rollout;
  const share = percent === undefined || percent === 0 ? "no user's request" : `${percent} % of the requests`;
  const paused = isPaused ? ", paused" : "";
  return `${stage}: version ${to} gets ${share}${paused}; ${reason}`;
}

function rolloutView(
  state: ClusterState,
  id: DeploymentId,
  spec: DeploymentSpec | undefined,
): DeploymentStatusView["rollout"] {
  const record = spec === undefined ? undefined : stageOf(state, { id, spec });
  const shift = state.shifts.get(id);
  if (spec === undefined || record === undefined || (record.stage.kind === "rolling" && shift === undefined)) {
    return undefined;
  }
  const application = state.applications.get(splitDeploymentId(id).application);
  return {
    stage: record.stage.kind,
    from: record.from,
    to: spec.version,
    percent: shift?.percent,
    isPaused: application?.rollout?.isPaused === true && application.rollout.generation === application.target,
    scores: record.scores,
    outcomes: (shift?.outcomes ?? []).map(({ version, answered, failed }) => ({ version, answered, failed })),
  };
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
      replicas: replicasOn(state, node.id).length,
      reason: nodeReason(state, node),
    }));
}

/** Trouble of its proxy, and how far it is emptied where it is to be. */
function nodeReason(state: ClusterState, { id, report }: NodeRecord): string {
  if (!state.drains.has(id)) return report.reason;
  const left = replicasOn(state, id).length;
  const text =
    left === 0 ? "drained: nothing runs on it" : `drains: ${left} ${left === 1 ? "replica" : "replicas"} left`;
  return report.reason === "" ? text : `${text}; ${report.reason}`;
}

/** The record and the id of a deployment that is known by name; undefined: none is. */
export function findDeployment(
  state: ClusterState,
  applicationName: string,
  name: string,
): { readonly application: ApplicationRecord; readonly id: DeploymentId } | undefined {
  const application = state.applications.get(applicationName as ApplicationName);
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
    utilisation: report?.utilisation ?? 0,
    health: report?.health ?? "beating",
    restarts: report?.restarts ?? 0,
    reason: replica.pending?.reason ?? reasonOf(report),
    gpus: replica.gpus,
  };
}

/** With the wait before the next start, so that a replica that crashes time and again is seen to wait, not to hang. */
function reasonOf(report: ReplicaRecord["report"]): string {
  if (report === undefined) return "";
  const { reason, restartDelayMs, restarts } = report;
  if (restartDelayMs === 0) return reason;
  return `${reason}; restarts in ${(restartDelayMs / 1_000).toFixed(1)} s (attempt ${restarts + 1})`;
}

function stateOf({ desired, report }: ReplicaRecord): ReplicaState {
  if (desired === "run") return report?.state ?? "starting";
  if (report?.state === "failed" || report?.state === "stopped") return report.state;
  return "draining";
}

function resourcesOf(state: ClusterState, node: NodeId): NodeStatusView["resources"] {
  const capacity = capacityOf(state, node);
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
