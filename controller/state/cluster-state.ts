import type { NodeRegistration, NodeReport, ReplicaReport } from "../../core/assignment.ts";
import type { ApplicationName, NodeId, ReplicaId } from "../../core/ids.ts";
import { RECOVERY_GRACE_MS } from "../../core/limits.ts";
import type { Action } from "../decide/action.ts";
import { applyAction } from "../decide/apply-action.ts";
import type { ApplicationRecord, ClusterState, NodeRecord, ReplicaRecord } from "../decide/cluster.ts";

/** A fact: something that happened, in the store, at a worker, or because an action was performed. */
export type ClusterEvent =
  | { readonly kind: "applicationStored"; readonly application: ApplicationRecord }
  | { readonly kind: "applicationRemoved"; readonly name: ApplicationName }
  | { readonly kind: "acted"; readonly action: Action }
  | { readonly kind: "nodeRegistered"; readonly registration: NodeRegistration }
  | { readonly kind: "nodeHeard"; readonly node: NodeId; readonly report: NodeReport }
  | { readonly kind: "nodeDisconnected"; readonly node: NodeId }
  | { readonly kind: "replicasReported"; readonly node: NodeId; readonly reports: readonly ReplicaReport[] }
  | { readonly kind: "replicasGone"; readonly node: NodeId; readonly replicas: readonly ReplicaId[] }
  /** A table went out; `listed` are the replicas in it. */
  | { readonly kind: "tablePublished"; readonly version: number; readonly listed: ReadonlySet<ReplicaId> }
  /** This process itself stood still, so that the silence of others proves nothing. */
  | { readonly kind: "stalled" };

/** What is known when a controller starts. */
export type InitialState = {
  readonly epoch: number;
  readonly applications: readonly ApplicationRecord[];
  readonly expectedNodes: readonly NodeId[];
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
    replicas: new Map(),
    targets: new Map(),
  };
}

/** The state after an event. Pure; one that refers to something unknown changes nothing. */
export function applyEvent(state: ClusterState, event: ClusterEvent, now: number): ClusterState {
  switch (event.kind) {
    case "applicationStored": {
      const applications = new Map(state.applications).set(event.application.name, event.application);
      return { ...state, applications };
    }
    case "applicationRemoved": {
      const applications = new Map(state.applications);
      applications.delete(event.name);
      return { ...state, applications };
    }
    case "acted":
      return applyAction(state, event.action, now);
    case "nodeRegistered":
      return registered(state, event.registration, now);
    case "nodeHeard":
      return changeNode(state, event.node, (node) => ({ ...node, lastHeardAt: now, report: event.report }));
    case "nodeDisconnected":
      return changeNode(state, event.node, (node) => ({ ...node, isConnected: false }));
    case "replicasReported": {
      const heard = changeNode(state, event.node, (node) => ({ ...node, lastHeardAt: now }));
      return { ...heard, replicas: reported(heard.replicas, event.node, event.reports, now) };
    }
    case "replicasGone":
      return { ...state, replicas: gone(state.replicas, event.node, event.replicas) };
    case "tablePublished":
      return { ...state, replicas: marked(state.replicas, event, now) };
    case "stalled": {
      const nodes = [...state.nodes].map(([id, node]): [NodeId, NodeRecord] => [id, { ...node, lastHeardAt: now }]);
      return { ...state, nodes: new Map(nodes) };
    }
  }
}

/** The one owner of the current state. Everybody else sees snapshots. */
export class LiveState {
  #state: ClusterState;
  readonly #now: () => number;

  constructor(initial: ClusterState, now: () => number) {
    this.#state = initial;
    this.#now = now;
  }

  /** The state as it is now; never changes afterwards. */
  snapshot(): ClusterState {
    return this.#state;
  }

  /** Takes a fact in. */
  apply(event: ClusterEvent): void {
    this.#state = applyEvent(this.#state, event, this.#now());
  }
}

function changeNode(state: ClusterState, id: NodeId, to: (node: NodeRecord) => NodeRecord): ClusterState {
  const node = state.nodes.get(id);
  return node === undefined ? state : { ...state, nodes: new Map(state.nodes).set(id, to(node)) };
}

/**
 * A worker connected and told everything it runs. What it does not list is not there: what was to end has ended, what
 * is to run starts again with the next assignment.
 */
function registered(state: ClusterState, registration: NodeRegistration, now: number): ClusterState {
  const { node, incarnation, resources, labels, replicas: reports } = registration;
  const record: NodeRecord = {
    id: node,
    incarnation,
    resources,
    labels,
    state: "live",
    lastHeardAt: now,
    isConnected: true,
    report: state.nodes.get(node)?.report ?? { httpUrl: "", reason: "", tableEpoch: 0, tableVersion: 0 },
  };
  const listed = new Set(reports.map(({ id }) => id));
  const kept = new Map<ReplicaId, ReplicaRecord>();
  for (const [id, replica] of state.replicas) {
    const isMissing = replica.node === node && !listed.has(id);
    if (!isMissing) kept.set(id, replica);
    else if (replica.desired === "run") {
      kept.set(id, { ...replica, report: undefined, listed: undefined, stateSince: now });
    }
  }
  return {
    ...state,
    nodes: new Map(state.nodes).set(node, record),
    replicas: reported(kept, node, reports, now),
  };
}

function reported(
  replicas: ReadonlyMap<ReplicaId, ReplicaRecord>,
  node: NodeId,
  reports: readonly ReplicaReport[],
  now: number,
): ReadonlyMap<ReplicaId, ReplicaRecord> {
  if (reports.length === 0) return replicas;
  const changed = new Map(replicas);
  for (const report of reports) {
    const known = changed.get(report.id);
    if (known === undefined) {
      if (report.state !== "stopped") changed.set(report.id, adopted(report, node, now));
    } else if (known.node === node) {
      changed.set(report.id, withReport(known, report, now));
    }
  }
  return changed;
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
  return {
    ...known,
    report,
    stateSince: known.report?.state === report.state ? known.stateSince : now,
    listed: isSameProcess ? known.listed : undefined,
  };
}

function gone(
  replicas: ReadonlyMap<ReplicaId, ReplicaRecord>,
  node: NodeId,
  ids: readonly ReplicaId[],
): ReadonlyMap<ReplicaId, ReplicaRecord> {
  const left = new Map(replicas);
  for (const id of ids) {
    if (left.get(id)?.node === node) left.delete(id);
  }
  return left;
}

function marked(
  replicas: ReadonlyMap<ReplicaId, ReplicaRecord>,
  { version, listed }: { readonly version: number; readonly listed: ReadonlySet<ReplicaId> },
  now: number,
): ReadonlyMap<ReplicaId, ReplicaRecord> {
  const mark = { version, at: now };
  const changed: ReplicaRecord[] = [];
  for (const [id, replica] of replicas) {
    if (listed.has(id)) {
      if (replica.listed === undefined) changed.push({ ...replica, listed: mark });
    } else if (replica.desired === "leave" && replica.unlisted === undefined) {
      changed.push({ ...replica, unlisted: mark });
    }
  }
  if (changed.length === 0) return replicas;
  const next = new Map(replicas);
  for (const replica of changed) next.set(replica.id, replica);
  return next;
}
