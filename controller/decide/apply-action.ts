import type { ReplicaId } from "../../core/ids.ts";
import type { Action } from "./action.ts";
import type { ApplicationRecord, ClusterState, ReplicaRecord } from "./cluster.ts";

/**
 * The state after an action. One that no longer fits (its replica is gone, say) changes nothing, because facts may
 * arrive between deciding and performing.
 */
export function applyAction(state: ClusterState, action: Action, now: number): ClusterState {
  switch (action.kind) {
    case "recover":
      return { ...state, isRecovered: true };
    case "markNode": {
      const node = state.nodes.get(action.node);
      if (node === undefined) return state;
      return { ...state, nodes: new Map(state.nodes).set(node.id, { ...node, state: action.state }) };
    }
    case "forgetNode":
      return { ...state, nodes: without(state.nodes, action.node) };
    case "setTarget": {
      const { deployment, target, reason } = action;
      if (reason === "gone") return { ...state, targets: without(state.targets, deployment) };
      return { ...state, targets: new Map(state.targets).set(deployment, { target, reason }) };
    }
    case "create":
      return { ...state, replicas: new Map(state.replicas).set(action.replica, created(action, now)) };
    case "bind":
      return change(state, action.replica, (replica) => ({
        ...replica,
        node: action.node,
        gpus: action.gpus,
        pending: undefined,
        stateSince: now,
      }));
    case "pend":
      return change(state, action.replica, (replica) => ({ ...replica, pending: action.pending }));
    case "leave":
    case "drain":
    case "stop":
      return change(state, action.replica, (replica) => ({ ...replica, desired: action.kind }));
    case "forget":
      return { ...state, replicas: without(state.replicas, action.replica) };
    case "promote":
    case "giveUp":
    case "dropApplication": {
      const application = state.applications.get(action.application);
      if (application === undefined) return state;
      const changed = applicationAfter(application, action);
      const applications =
        changed === undefined
          ? without(state.applications, application.name)
          : new Map(state.applications).set(application.name, changed);
      return { ...state, applications };
    }
  }
}

/** An application's record after an action that is stored; undefined: it is to be deleted. Also what the store gets. */
export function applicationAfter(
  application: ApplicationRecord,
  action: Extract<Action, { kind: "promote" | "giveUp" | "dropApplication" }>,
): ApplicationRecord | undefined {
  // Deployed again meanwhile: then it stays.
  if (action.kind === "dropApplication") return application.isDeleting ? undefined : application;
  if (action.generation !== application.target) return application;
  if (action.kind === "promote") return { ...application, stable: action.generation };
  return { ...application, stable: action.fallback, failure: { deployment: action.deployment, reason: action.cause } };
}

function created(action: Extract<Action, { kind: "create" }>, now: number): ReplicaRecord {
  return {
    id: action.replica,
    deployment: action.deployment,
    version: action.version,
    node: undefined,
    gpus: [],
    desired: "run",
    createdAt: now,
    isAdopted: false,
    pending: undefined,
    report: undefined,
    stateSince: now,
    listed: undefined,
    unlisted: undefined,
  };
}

function change(state: ClusterState, id: ReplicaId, to: (replica: ReplicaRecord) => ReplicaRecord): ClusterState {
  const replica = state.replicas.get(id);
  return replica === undefined ? state : { ...state, replicas: new Map(state.replicas).set(id, to(replica)) };
}

function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}
