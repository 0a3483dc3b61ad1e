import type { NodeReport, NodeResources, ReplicaReport } from "../../core/assignment.ts";
import {
  type ApplicationName,
  type DeploymentId,
  deploymentId,
  type NodeId,
  type ReplicaId,
  splitDeploymentId,
  type Version,
} from "../../core/ids.ts";
import { TABLE_ACK_TIMEOUT_MS } from "../../core/limits.ts";
import type { ApplicationSpec, DeploymentSpec } from "../../core/spec.ts";
import type { NodeState } from "../../core/status.ts";

/** One deploy of an application: what was asked for, whole. */
export type Release = {
  /** 1 for an application's first deploy, one more for each later one. */
  readonly generation: number;
  readonly spec: ApplicationSpec;
  /** Values of the secrets that its `env` refers to. */
  readonly secrets: Readonly<Record<string, string>>;
};

/** What is stored of an application. */
export type ApplicationRecord = {
  readonly name: ApplicationName;
  /** Newest first, bounded; the target and the stable one are always among them. */
  readonly releases: readonly Release[];
  /** Generation that was asked for last. */
  readonly target: number;
  /** Generation that served fully last; 0: none yet. */
  readonly stable: number;
  /** Why the target was given up; undefined while it was not. */
  readonly failure: { readonly deployment: DeploymentId; readonly reason: string } | undefined;
  readonly isDeleting: boolean;
};

/** What is known of a node. */
export type NodeRecord = {
  readonly id: NodeId;
  readonly incarnation: number;
  readonly resources: NodeResources;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: NodeState;
  readonly lastHeardAt: number;
  readonly isConnected: boolean;
  readonly report: NodeReport;
};

/** A published routing table, and when it was published. */
export type TableMark = { readonly version: number; readonly at: number };

/** Why a replica has no node: the whole in one line, and node by node. */
export type Pending = {
  readonly reason: string;
  readonly nodes: readonly { readonly node: NodeId; readonly reason: string }[];
};

/**
 * What is known and wanted of one replica. `desired` only goes one way: `run` → `leave` (the next table omits it) →
 * `drain` (all routers know that table) → gone; or `run` → `stop` where no router knows it.
 */
export type ReplicaRecord = {
  readonly id: ReplicaId;
  readonly deployment: DeploymentId;
  readonly version: Version;
  /** undefined until it is placed. */
  readonly node: NodeId | undefined;
  readonly gpus: readonly string[];
  readonly desired: "run" | "leave" | "drain" | "stop";
  readonly createdAt: number;
  /** It ran before this controller started or before its node came back. */
  readonly isAdopted: boolean;
  readonly pending: Pending | undefined;
  /** What its worker last said; undefined until it did. */
  readonly report: ReplicaReport | undefined;
  /** When the state in `report` began. */
  readonly stateSince: number;
  /** First table that lists it as it is now. */
  readonly listed: TableMark | undefined;
  /** First table without it since it leaves. */
  readonly unlisted: TableMark | undefined;
};

/** Replicas a deployment is to have, and why. */
export type Target = { readonly target: number; readonly reason: TargetReason };

/** Why a target is what it is. */
export type TargetReason =
  /** The specification says so. */
  | "declared"
  /** Its start failed and there is no earlier version. */
  | "startFailed"
  /** The newest release no longer has it. */
  | "removed"
  /** It is no longer wanted, but replicas that call it still run. */
  | "callersRemain"
  /** The application is being deleted. */
  | "deleting";

/** Everything decisions are made from. Immutable; times are monotonic milliseconds of this controller. */
export type ClusterState = {
  readonly epoch: number;
  readonly startedAt: number;
  /** Nodes known from before, that are waited for before anything is placed. */
  readonly expectedNodes: readonly NodeId[];
  readonly isRecovered: boolean;
  /** Nothing that was adopted is stopped before. */
  readonly graceUntil: number;
  readonly applications: ReadonlyMap<ApplicationName, ApplicationRecord>;
  readonly nodes: ReadonlyMap<NodeId, NodeRecord>;
  readonly replicas: ReadonlyMap<ReplicaId, ReplicaRecord>;
  readonly targets: ReadonlyMap<DeploymentId, Target>;
};

/** The release of an application with that generation. */
export function releaseOf(application: ApplicationRecord, generation: number): Release | undefined {
  return application.releases.find((release) => release.generation === generation);
}

/** The release whose deployments are to run: the target, or the one that served before when the target was given up. */
export function effectiveRelease(application: ApplicationRecord): Release | undefined {
  const target = releaseOf(application, application.target);
  if (application.failure === undefined) return target;
  return releaseOf(application, application.stable) ?? target;
}

/** The release whose route is published: what served last, until the target serves. */
export function routedRelease(application: ApplicationRecord): Release | undefined {
  return releaseOf(application, application.stable) ?? releaseOf(application, application.target);
}

/** The newest kept release that has this deployment, in this version if one is given, the effective one first. */
export function releaseWith(
  state: ClusterState,
  deployment: DeploymentId,
  version?: Version,
): { readonly release: Release; readonly spec: DeploymentSpec } | undefined {
  const names = splitDeploymentId(deployment);
  const application = state.applications.get(names.application);
  if (application === undefined) return undefined;
  const effective = effectiveRelease(application);
  const candidates = effective === undefined ? application.releases : [effective, ...application.releases];
  for (const release of candidates) {
    const spec = release.spec.deployments.find((candidate) => candidate.name === names.deployment);
    if (spec !== undefined && (version === undefined || spec.version === version)) return { release, spec };
  }
  return undefined;
}

/** Ids of a release's deployments with their specifications. */
export function deploymentsOf(
  release: Release,
): readonly { readonly id: DeploymentId; readonly spec: DeploymentSpec }[] {
  return release.spec.deployments.map((spec) => ({ id: deploymentId(release.spec.name, spec.name), spec }));
}

/** Replicas of one deployment, oldest first. */
export function replicasOf(state: ClusterState, deployment: DeploymentId): readonly ReplicaRecord[] {
  return [...state.replicas.values()]
    .filter((replica) => replica.deployment === deployment)
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
}

/** Whether a replica takes requests, by what its worker says. */
export function isReady(replica: ReplicaRecord): boolean {
  return replica.report?.state === "ready" && replica.report.address !== undefined;
}

/** Whether every router that can be reached uses that table or a newer one, or has been waited for long enough. */
export function isSettled(state: ClusterState, mark: TableMark | undefined, now: number): boolean {
  if (mark === undefined) return false;
  if (now >= mark.at + TABLE_ACK_TIMEOUT_MS) return true;
  for (const node of state.nodes.values()) {
    if (node.state === "lost") continue;
    const { tableEpoch, tableVersion } = node.report;
    if (tableEpoch !== state.epoch || tableVersion < mark.version) return false;
  }
  return true;
}

/** Whether a replica is ready and every router knows it. */
export function isServing(state: ClusterState, replica: ReplicaRecord, now: number): boolean {
  return replica.desired === "run" && isReady(replica) && isSettled(state, replica.listed, now);
}

/** Whether a replica's last start failed and it is not ready since. */
export function isFailing(replica: ReplicaRecord): boolean {
  return !isReady(replica) && (replica.report?.failedStarts ?? 0) > 0;
}
