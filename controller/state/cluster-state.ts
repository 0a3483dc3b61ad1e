import type { NodeRegistration, NodeReport, ReplicaReport } from "../../core/assignment.ts";
import {
  type ApplicationName,
  type DeploymentId,
  type NodeId,
  type ReplicaId,
  splitDeploymentId,
  type Version,
} from "../../core/ids.ts";
import { RECOVERY_GRACE_MS } from "../../core/limits.ts";
import type { DeploymentLoad } from "../../core/load.ts";
import type { Action } from "../decide/action.ts";
import { act } from "../decide/apply-action.ts";
import type {
  ApplicationRecord,
  ClusterState,
  NodeDrain,
  NodeRecord,
  ReplicaRecord,
  Target,
} from "../decide/cluster.ts";
import { StateDraft } from "../decide/draft.ts";
import { autoscalingOf, withoutUnused } from "../decide/forget-told.ts";
import { withForgottenLoads, withLoads } from "../decide/loads.ts";
import type { Verification } from "../decide/rollout-stage.ts";

/** A fact: something that happened, in the store, at a worker, or because an action was performed. */
export type ClusterEvent =
  | { readonly kind: "applicationStored"; readonly application: ApplicationRecord }
  | { readonly kind: "applicationRemoved"; readonly name: ApplicationName }
  | { readonly kind: "acted"; readonly action: Action }
  | { readonly kind: "nodeRegistered"; readonly registration: NodeRegistration }
  | { readonly kind: "nodeHeard"; readonly node: NodeId; readonly report: NodeReport }
  | { readonly kind: "nodeDisconnected"; readonly node: NodeId }
  /** Somebody asked for a node to be emptied, or (undefined) to be used again. */
  | { readonly kind: "nodeDrainChanged"; readonly node: NodeId; readonly drain: NodeDrain | undefined }
  | { readonly kind: "replicasReported"; readonly node: NodeId; readonly reports: readonly ReplicaReport[] }
  | { readonly kind: "replicasGone"; readonly node: NodeId; readonly replicas: readonly ReplicaId[] }
  /** A table went out; `listed` are the replicas in it. */
  | { readonly kind: "tablePublished"; readonly version: number; readonly listed: ReadonlySet<ReplicaId> }
  /** Routers and replicas were looked at, `ms` after the last time. */
  | { readonly kind: "loadsSampled"; readonly loads: readonly DeploymentLoad[]; readonly ms: number }
  /** Somebody set the count of a deployment that scales by itself. */
  | { readonly kind: "scaled"; readonly deployment: DeploymentId; readonly target: number }
  /** A value of the metric that a deployment scales by. */
  | { readonly kind: "metricTold"; readonly deployment: DeploymentId; readonly value: number }
  /** A scaling policy answered, or why it did not. */
  | {
      readonly kind: "policyAnswered";
      readonly deployment: DeploymentId;
      readonly target: number | undefined;
      readonly problem: string;
      readonly askedAt: number;
    }
  /** What a version's `verify` came to; undefined: the replica that ran it is gone, and another one is to be asked. */
  | {
      readonly kind: "verified";
      readonly deployment: DeploymentId;
      readonly version: Version;
      readonly outcome: Verification | undefined;
    }
  /** This process itself stood still, so that the silence of others proves nothing. */
  | { readonly kind: "stalled" };

/** What is known when a controller starts. */
export type InitialState = {
  readonly epoch: number;
  readonly applications: readonly ApplicationRecord[];
  readonly expectedNodes: readonly NodeId[];
  readonly drains?: ReadonlyMap<NodeId, NodeDrain>;
  /** Counts that a controller before this one had decided. */
  readonly counts?: ReadonlyMap<DeploymentId, number>;
};

/** The state of a controller that has just started, with nothing heard yet. */
export function initialState(initial: InitialState, now: number): ClusterState {
  const isFirstStart = initial.applications.length === 0 && initial.expectedNodes.length === 0;
  return {
    epoch: initial.epoch,
    startedAt: now,
    expectedNodes: initial.expectedNodes,
    isRecovered: false,
    graceUntil: isFirstStart ? now : now + RECOVERY_GRACE_MS,
    applications: new Map(initial.applications.map((application) => [application.name, application])),
    nodes: new Map(),
    drains: initial.drains ?? new Map(),
    replicas: new Map(),
    targets: new Map(
      [...(initial.counts ?? [])].map(([id, target]): [DeploymentId, Target] => [id, { target, reason: "restored" }]),
    ),
    loads: new Map(),
    metrics: new Map(),
    policies: new Map(),
    usage: new Map(),
    shifts: new Map(),
    verifications: new Map(),
  };
}

/** The state after an event; see {@link takeIn}. Pure. */
export function applyEvent(state: ClusterState, event: ClusterEvent, now: number): ClusterState {
  const draft = new StateDraft(state);
  takeIn(draft, event, now);
  return draft.snapshot();
}

/** Changes a draft by an event. One that refers to something unknown changes nothing. */
function takeIn(draft: StateDraft, event: ClusterEvent, now: number): void {
  switch (event.kind) {
    case "applicationStored": {
      const { application } = event;
      const before = draft.state.applications.get(application.name);
      const applications = new Map(draft.state.applications).set(application.name, application);
      draft.change({ applications });
      // What a `verify` said is said of one deploy: what it did not like may be mended by the next.
      if (before?.target !== application.target || application.failure !== undefined) {
        forgetVerifications(draft, application.name);
      }
      draft.change(withoutUnused(draft.state, application.name));
      return;
    }
    case "applicationRemoved": {
      const applications = new Map(draft.state.applications);
      applications.delete(event.name);
      draft.change({ applications });
      forgetVerifications(draft, event.name);
      draft.change(withoutUnused(draft.state, event.name));
      return;
    }
    case "acted":
      act(draft, event.action, now);
      return;
    case "nodeRegistered":
      register(draft, event.registration, now);
      return;
    case "nodeHeard":
      changeNode(draft, event.node, { lastHeardAt: now, report: event.report });
      if (event.report.isLeaving === true && !draft.state.drains.has(event.node)) {
        const drain = { beganAt: now, deadlineAt: Number.POSITIVE_INFINITY, isOwn: true };
        draft.change({ drains: withDrain(draft.state.drains, event.node, drain) });
      }
      return;
    case "nodeDisconnected":
      changeNode(draft, event.node, { isConnected: false });
      return;
    case "nodeDrainChanged":
      draft.change({ drains: withDrain(draft.state.drains, event.node, event.drain) });
      return;
    case "replicasReported":
      changeNode(draft, event.node, { lastHeardAt: now });
      takeReports(draft, event, now);
      return;
    case "replicasGone":
      for (const id of event.replicas) {
        if (draft.state.replicas.get(id)?.node === event.node) draft.removeReplica(id);
      }
      return;
    case "tablePublished":
      mark(draft, event, now);
      return;
    case "stalled":
      draft.change(withForgottenLoads(draft.state, now));
      for (const id of [...draft.state.nodes.keys()]) changeNode(draft, id, { lastHeardAt: now });
      return;
    default:
      takeInTold(draft, event, now);
  }
}

/** What was told of deployments: their load, their counts, and the answers of their users' functions. */
type ToldEvent = Extract<
  ClusterEvent,
  { kind: "loadsSampled" | "scaled" | "metricTold" | "verified" | "policyAnswered" }
>;

function takeInTold(draft: StateDraft, event: ToldEvent, now: number): void {
  switch (event.kind) {
    case "loadsSampled":
      draft.change(withLoads(draft.state, event, now));
      return;
    case "scaled":
      draft.putTarget(event.deployment, { target: event.target, reason: "scaledByHand" });
      // What was asked of it before does not speak against the new count: it has its delay before it may fall.
      draft.change(withForgottenLoads(draft.state, now, event.deployment));
      return;
    case "metricTold": {
      const { deployment, value } = event;
      // It was read while a deploy took the metric away.
      if (autoscalingOf(draft.state, deployment)?.metric === undefined) return;
      draft.change({ metrics: new Map(draft.state.metrics).set(deployment, { value, at: now }) });
      return;
    }
    case "verified": {
      const { deployment, version, outcome } = event;
      const { verifications } = draft.state;
      // Another version has been deployed meanwhile.
      if (verifications.get(deployment)?.version !== version) return;
      const changed = new Map(verifications);
      if (outcome === undefined) changed.delete(deployment);
      else changed.set(deployment, { ...outcome, version });
      draft.change({ verifications: changed });
      return;
    }
    case "policyAnswered": {
      const { deployment, problem, askedAt } = event;
      if (autoscalingOf(draft.state, deployment)?.hasPolicy !== true) return;
      const { policies } = draft.state;
      const before = policies.get(deployment);
      const answer =
        event.target === undefined && before !== undefined
          ? { ...before, problem }
          : { target: event.target, problem, at: askedAt };
      draft.change({ policies: new Map(policies).set(deployment, answer) });
      return;
    }
  }
}

function forgetVerifications(draft: StateDraft, name: ApplicationName): void {
  const { verifications } = draft.state;
  const kept = [...verifications].filter(([id]) => splitDeploymentId(id).application !== name);
  if (kept.length < verifications.size) draft.change({ verifications: new Map(kept) });
}

/** The one owner of the current state. Everybody else sees snapshots; events between two of them share their copies. */
export class LiveState {
  readonly #draft: StateDraft;
  readonly #now: () => number;

  constructor(initial: ClusterState, now: () => number) {
    this.#draft = new StateDraft(initial);
    this.#now = now;
  }

  /** The state as it is now; never changes afterwards. */
  snapshot(): ClusterState {
    return this.#draft.snapshot();
  }

  /** The state as it is now, for a look before the next event: costs no copy. */
  get current(): ClusterState {
    return this.#draft.state;
  }

  /** Takes a fact in. */
  apply(event: ClusterEvent): void {
    takeIn(this.#draft, event, this.#now());
  }
}

function withDrain(
  drains: ReadonlyMap<NodeId, NodeDrain>,
  node: NodeId,
  drain: NodeDrain | undefined,
): ReadonlyMap<NodeId, NodeDrain> {
  const changed = new Map(drains);
  if (drain === undefined) changed.delete(node);
  else changed.set(node, drain);
  return changed;
}

function changeNode(draft: StateDraft, id: NodeId, to: Partial<NodeRecord>): void {
  const node = draft.state.nodes.get(id);
  if (node !== undefined) draft.putNode({ ...node, ...to });
}

/**
 * A worker connected and told everything it runs. What it does not list is not there: what was to end has ended, what
 * is to run starts again with the next assignment, unless another controller ended it.
 */
function register(draft: StateDraft, registration: NodeRegistration, now: number): void {
  const { node, incarnation, resources, labels, replicas: reports } = registration;
  if (draft.state.drains.get(node)?.isOwn === true) {
    draft.change({ drains: withDrain(draft.state.drains, node, undefined) });
  }
  draft.putNode({
    id: node,
    incarnation,
    resources,
    labels,
    state: draft.state.drains.has(node) ? "draining" : "live",
    lastHeardAt: now,
    isConnected: true,
    report: draft.state.nodes.get(node)?.report ?? { httpUrl: "", reason: "", tableEpoch: 0, tableVersion: 0 },
  });
  const listed = new Set(reports.map(({ id }) => id));
  const missing = [...draft.state.replicas.values()].filter((one) => one.node === node && !listed.has(one.id));
  // Replicas that nobody here made: another controller ruled the node since. What it ended must not come back, because it
  // may have given its room away.
  const hadAnother = reports.some(({ id }) => !draft.state.replicas.has(id));
  for (const replica of missing) {
    if (replica.desired !== "run" || hadAnother) draft.removeReplica(replica.id);
    else draft.putReplica({ ...replica, report: undefined, listed: undefined, stateSince: now });
  }
  takeReports(draft, { node, reports }, now);
}

function takeReports(
  draft: StateDraft,
  { node, reports }: { readonly node: NodeId; readonly reports: readonly ReplicaReport[] },
  now: number,
): void {
  for (const report of reports) {
    const known = draft.state.replicas.get(report.id);
    if (known === undefined) {
      if (report.state !== "stopped") draft.putReplica(adopted(report, node, now));
    } else if (known.node === node) {
      draft.putReplica(withReport(known, report, now));
    }
  }
}

function adopted(report: ReplicaReport, node: NodeId, now: number): ReplicaRecord {
  return {
    id: report.id,
    deployment: report.deployment,
    version: report.version,
    node,
    gpus: report.gpus,
    desired: report.state === "draining" ? "drain" : "run",
    createdAt: now,
    isAdopted: true,
    pending: undefined,
    report,
    stateSince: now,
    listed: undefined,
    unlisted: undefined,
  };
}

/** A replica that stopped being ready, or is ready as another process, is no longer what the routers know. */
function withReport(known: ReplicaRecord, report: ReplicaReport, now: number): ReplicaRecord {
  const isSameProcess =
    report.state === "ready" &&
    known.report?.state === "ready" &&
    known.report.callSecret === report.callSecret &&
    known.report.address?.host === report.address?.host &&
    known.report.address?.port === report.address?.port;
  const isFirstStart = known.startMs === undefined && !known.isAdopted && report.state === "ready";
  return {
    ...known,
    ...(isFirstStart && known.report?.state !== "ready" ? { startMs: now - known.stateSince } : {}),
    report,
    stateSince: known.report?.state === report.state ? known.stateSince : now,
    listed: isSameProcess ? known.listed : undefined,
  };
}

function mark(
  draft: StateDraft,
  { version, listed }: { readonly version: number; readonly listed: ReadonlySet<ReplicaId> },
  now: number,
): void {
  const tableMark = { version, at: now };
  for (const [id, replica] of draft.state.replicas) {
    if (listed.has(id)) {
      if (replica.listed === undefined) draft.putReplica({ ...replica, listed: tableMark });
    } else if (replica.desired === "leave" && replica.unlisted === undefined) {
      draft.putReplica({ ...replica, unlisted: tableMark });
    }
  }
}
