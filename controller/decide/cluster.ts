import type { NodeReport, NodeResources, ReplicaReport } from "../../core/assignment.ts";
import {
  type ApplicationName,
  type DeploymentId,
  deploymentId,
  type DeploymentName,
  type NodeId,
  type ReplicaId,
  splitDeploymentId,
  type Version,
} from "../../core/ids.ts";
import { TABLE_ACK_TIMEOUT_MS } from "../../core/limits.ts";
import type { ApplicationSpec, DeploymentSpec, RolloutSpec } from "../../core/spec.ts";
import type { VersionLoad } from "../../core/load.ts";
import type { NodeState } from "../../core/status.ts";
import type { AutoscaleReason } from "./autoscale.ts";
import type { LoadHistory } from "./load-history.ts";
import type { RolloutStage, Verification } from "./rollout-stage.ts";
import { ReplicaIndex } from "./replica-index.ts";
import type { Usage } from "./usage.ts";

/** One deploy of an application: what was asked for, whole. */
export type Release = {
  /** 1 for an application's first deploy, one more for each later one. */
  readonly generation: number;
  readonly spec: ApplicationSpec;
  /** Values of the secrets that its `env` refers to. */
  readonly secrets: Readonly<Record<string, string>>;
  /** All of it served once; releases of an earlier version of this program do not say. */
  readonly hasServed?: boolean;
  /** Deployments whose version in it had not passed its steps when another release was deployed over it. */
  readonly unproven?: readonly DeploymentName[];
  /** Replicas that somebody asked for by hand while it served or was to, by deployment name. */
  readonly scale?: Readonly<Record<string, number>>;
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
  /** How far the target is on its way; of an earlier generation, or undefined: it has not begun. */
  readonly rollout?: RolloutRecord | undefined;
};

/** How the deployments of a release move to their new versions. */
export type RolloutRecord = {
  readonly generation: number;
  /** Nothing advances; what a gate refuses is refused all the same. */
  readonly isPaused: boolean;
  /** By deployment name; one that is missing is at its first stage. */
  readonly stages: Readonly<Record<string, StageRecord>>;
};

/** Where one deployment's new version stands. */
export type StageRecord = {
  readonly stage: RolloutStage;
  /** The version it takes over from. */
  readonly from: Version;
  /** What `verify` gave. */
  readonly scores: Readonly<Record<string, number>>;
};

/** How requests of a deployment are divided at present, and what came of it since. */
export type Shift = {
  readonly from: Version;
  readonly to: Version;
  /** What the new version gets. */
  readonly percent: number;
  /** Headers whose requests go to the new version whatever its share. */
  readonly match: RolloutSpec["match"];
  readonly since: number;
  readonly outcomes: readonly VersionLoad[];
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

/** A node that is being emptied, because somebody asked for it or its worker ends. */
export type NodeDrain = {
  readonly beganAt: number;
  /** What runs there by then ends whether it was replaced or not. */
  readonly deadlineAt: number;
  /** Its own worker asked, because it ends: nobody need store it, and it is over when one registers again. */
  readonly isOwn?: boolean;
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
  /** From the start of its first process to its being ready, or from its being placed; undefined: not seen. */
  readonly startMs?: number;
  /** First table that lists it as it is now. */
  readonly listed: TableMark | undefined;
  /** First table without it since it leaves. */
  readonly unlisted: TableMark | undefined;
  /** Since when it is to drain; undefined: it is not, or was before this controller knew it. */
  readonly drainingAt?: number;
};

/** Replicas a deployment is to have, and why. */
export type Target = {
  readonly target: number;
  readonly reason: TargetReason;
  /** When it last became higher; undefined: not since this controller started. */
  readonly roseAt?: number | undefined;
  /** When it last rose from 0: what a policy answered to a question before is about nothing running. */
  readonly wokeAt?: number | undefined;
};

/** Why a target is what it is. */
export type TargetReason =
  | Exclude<AutoscaleReason, "unchanged">
  /** What the controller before this one had decided. */
  | "restored"
  /** The specification says so. */
  | "declared"
  /** Somebody asked for so many. */
  | "scaledByHand"
  /** Its start failed and there is no earlier version. */
  | "startFailed"
  /** The newest release no longer has it. */
  | "removed"
  /** It is no longer wanted, but replicas that call it still run. */
  | "callersRemain"
  /** The application is being deleted. */
  | "deleting";

/** What a scaling policy answered last that was a count; `problem`: why it did not answer the last time, empty when it did. */
export type PolicyAnswer = {
  readonly target: number | undefined;
  readonly problem: string;
  /** When the question was asked that `target` answers. */
  readonly at: number;
};

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
  /** Nodes that nothing is placed on any more, connected or not. */
  readonly drains: ReadonlyMap<NodeId, NodeDrain>;
  readonly replicas: ReadonlyMap<ReplicaId, ReplicaRecord>;
  readonly targets: ReadonlyMap<DeploymentId, Target>;
  /** What was asked of deployments that scale by themselves. */
  readonly loads: ReadonlyMap<DeploymentId, LoadHistory>;
  /** Newest values of the metrics that deployments scale by. */
  readonly metrics: ReadonlyMap<DeploymentId, { readonly value: number; readonly at: number }>;
  /** What users' scaling policies answered last. */
  readonly policies: ReadonlyMap<DeploymentId, PolicyAnswer>;
  readonly usage: ReadonlyMap<DeploymentId, Usage>;
  /** Deployments whose requests are divided between two versions. */
  readonly shifts: ReadonlyMap<DeploymentId, Shift>;
  /** How `verify` of a deployment's newest version went. */
  readonly verifications: ReadonlyMap<DeploymentId, { readonly version: Version } & Verification>;
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

/** A deployment as a release describes it. */
export type Described = { readonly release: Release; readonly spec: DeploymentSpec };

/** What an application's kept releases say of each deployment, one of a version; a record never changes. */
const descriptions = new WeakMap<ApplicationRecord, ReadonlyMap<DeploymentId, readonly Described[]>>();

/** The newest kept release that has this deployment, in this version if one is given, the effective one first. */
export function releaseWith(
  state: Pick<ClusterState, "applications">,
  deployment: DeploymentId,
  version?: Version,
): Described | undefined {
  const application = state.applications.get(splitDeploymentId(deployment).application);
  if (application === undefined) return undefined;
  let described = descriptions.get(application);
  if (described === undefined) {
    described = describe(application);
    descriptions.set(application, described);
  }
  const candidates = described.get(deployment);
  return version === undefined ? candidates?.[0] : candidates?.find(({ spec }) => spec.version === version);
}

function describe(application: ApplicationRecord): ReadonlyMap<DeploymentId, readonly Described[]> {
  const effective = effectiveRelease(application);
  const described = new Map<DeploymentId, Described[]>();
  for (const release of effective === undefined ? application.releases : [effective, ...application.releases]) {
    for (const { id, spec } of deploymentsOf(release)) {
      const candidates = described.get(id) ?? [];
      if (!candidates.some((candidate) => candidate.spec.version === spec.version)) candidates.push({ release, spec });
      described.set(id, candidates);
    }
  }
  return described;
}

/** Where a deployment of the target release stands, as stored; undefined: at its first stage. */
export function storedStage({ rollout, target }: ApplicationRecord, name: string): StageRecord | undefined {
  // Names are users': one may be that of a property every object has.
  if (rollout?.generation !== target || !Object.hasOwn(rollout.stages, name)) return undefined;
  return rollout.stages[name];
}

/** Ids of a release's deployments with their specifications. */
export function deploymentsOf(
  release: Release,
): readonly { readonly id: DeploymentId; readonly spec: DeploymentSpec }[] {
  return release.spec.deployments.map((spec) => ({ id: deploymentId(release.spec.name, spec.name), spec }));
}

/** Made when somebody asks, once for each set of replicas. */
const indices = new WeakMap<ClusterState["replicas"], ReplicaIndex<ReplicaRecord>>();

/** Finds replicas by application, deployment and node. */
export function indexOf({ replicas }: Pick<ClusterState, "replicas">): ReplicaIndex<ReplicaRecord> {
  let index = indices.get(replicas);
  if (index === undefined) {
    index = ReplicaIndex.of(replicas.values());
    indices.set(replicas, index);
  }
  return index;
}

/** Makes replicas that are about to change be found as those that they are a copy of, if somebody asked for that. */
export function copyIndex(from: ClusterState["replicas"], to: ClusterState["replicas"]): void {
  const index = indices.get(from);
  if (index !== undefined) indices.set(to, index.copy());
}

/** The index of replicas that are about to change, if they have one: it must change too. */
export function knownIndexOf(replicas: ClusterState["replicas"]): ReplicaIndex<ReplicaRecord> | undefined {
  return indices.get(replicas);
}

/** Replicas of one deployment, oldest first. */
export function replicasOf(state: ClusterState, deployment: DeploymentId): readonly ReplicaRecord[] {
  return indexOf(state).oldestFirst(deployment);
}

/** Replicas that are placed on a node, those that leave it included. */
export function replicasOn(state: ClusterState, node: NodeId): readonly ReplicaRecord[] {
  return [...indexOf(state).ofNode(node).values()];
}

/** Whether a replica takes requests, by what its worker says. */
export function isReady(replica: ReplicaRecord): boolean {
  return replica.report?.state === "ready" && replica.report.address !== undefined;
}

/** Whether every router that can be reached uses that table or a newer one, or has been waited for long enough. */
export function isSettled(state: ClusterState, mark: TableMark | undefined, now: number): boolean {
  if (mark === undefined) return false;
  return now >= mark.at + TABLE_ACK_TIMEOUT_MS || mark.version <= acknowledgedOf(state).version;
}

/** The oldest table that routers of nodes that are not lost still use, and on how many nodes. */
type Acknowledged = { readonly epoch: number; readonly version: number; readonly nodes: number };

/** Looked up for every replica, and the same for all. */
const acknowledged = new WeakMap<ClusterState["nodes"], Acknowledged>();

function acknowledgedOf({ nodes, epoch }: ClusterState): Acknowledged {
  const known = acknowledged.get(nodes);
  if (known?.epoch === epoch) return known;
  let [version, count] = [Number.POSITIVE_INFINITY, 0];
  for (const node of nodes.values()) {
    if (node.state === "lost") continue;
    const its = tableOf(node, epoch);
    count = its < version ? 1 : its === version ? count + 1 : count;
    version = Math.min(version, its);
  }
  const found = { epoch, version, nodes: count };
  acknowledged.set(nodes, found);
  return found;
}

/** The version of the table of this epoch that a node's routers use; below all others: none. */
function tableOf({ report }: NodeRecord, epoch: number): number {
  return report.tableEpoch === epoch ? report.tableVersion : Number.NEGATIVE_INFINITY;
}

/** Whether everybody else's routers have a newer table than a node's: what waits for routers waits for these. */
export function isWaitedFor(state: ClusterState, node: NodeRecord): boolean {
  const { version, nodes } = acknowledgedOf(state);
  return nodes === 1 && tableOf(node, state.epoch) === version;
}

/** These nodes are about to change. */
export function forgetAcknowledged(nodes: ClusterState["nodes"]): void {
  acknowledged.delete(nodes);
}

/** Whether a replica is ready and every router knows it. */
export function isServing(state: ClusterState, replica: ReplicaRecord, now: number): boolean {
  return replica.desired === "run" && isReady(replica) && isSettled(state, replica.listed, now);
}

/** Whether a replica's last start failed and it is not ready since. */
export function isFailing(replica: ReplicaRecord): boolean {
  return !isReady(replica) && (replica.report?.failedStarts ?? 0) > 0;
}
