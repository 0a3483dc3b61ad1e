import { type ReplicaId, splitDeploymentId } from "../../core/ids.ts";
import type { Action, StoredAction } from "./action.ts";
import type { ApplicationRecord, ClusterState, ReplicaRecord, RolloutRecord } from "./cluster.ts";
import { StateDraft } from "./draft.ts";

/** The state after an action; see {@link act}. */
export function applyAction(state: ClusterState, action: Action, now: number): ClusterState {
  const draft = new StateDraft(state);
  act(draft, action, now);
  return draft.snapshot();
}

/**
 * Changes a draft by an action. One that no longer fits (its replica is gone, say) changes nothing, because facts may
 * arrive between deciding and performing.
 */
export function act(draft: StateDraft, action: Action, now: number): void {
  switch (action.kind) {
    case "recover":
      draft.change({ isRecovered: true });
      return;
    case "markNode": {
      const node = draft.state.nodes.get(action.node);
      if (node !== undefined) draft.putNode({ ...node, state: action.state });
      return;
    }
    case "forgetNode":
      draft.removeNode(action.node);
      draft.change({ drains: without(draft.state.drains, action.node) });
      return;
    case "setTarget": {
      setTarget(draft, action, now);
      return;
    }
    case "create":
      draft.putReplica(created(action, now));
      return;
    case "bind": {
      const { node, gpus } = action;
      change(draft, action.replica, { node, gpus, pending: undefined, stateSince: now });
      return;
    }
    case "pend":
      change(draft, action.replica, { pending: action.pending });
      return;
    case "drain":
      change(draft, action.replica, { desired: "drain", drainingAt: now });
      return;
    case "leave":
    case "stop":
      change(draft, action.replica, { desired: action.kind });
      return;
    case "forget":
      draft.removeReplica(action.replica);
      return;
    case "shift": {
      const { deployment, shift } = action;
      const { shifts } = draft.state;
      const changed = shift === undefined ? undefined : { ...shift, since: now, outcomes: [] };
      draft.change({
        shifts: changed === undefined ? without(shifts, deployment) : new Map(shifts).set(deployment, changed),
      });
      return;
    }
    case "askVerify": {
      const { deployment, to: version } = action;
      const verifications = new Map(draft.state.verifications).set(deployment, { kind: "asked", version });
      draft.change({ verifications });
      return;
    }
    case "advance":
    case "promote":
    case "giveUp":
    case "dropApplication":
      changeApplication(draft, action);
  }
}

/** An application's record after an action that is stored; undefined: it is to be deleted. Also what the store gets. */
export function applicationAfter(application: ApplicationRecord, action: StoredAction): ApplicationRecord | undefined {
  // Deployed again meanwhile: then it stays.
  if (action.kind === "dropApplication") return application.isDeleting ? undefined : application;
  if (action.generation !== application.target) return application;
  if (action.kind === "advance") return { ...application, rollout: advanced(application, action) };
  if (action.kind === "promote") {
    const releases = application.releases.map((release) =>
      release.generation === action.generation ? { ...release, hasServed: true } : release,
    );
    return { ...application, stable: action.generation, releases };
  }
  return {
    ...application,
    // How far it had come says which of its replicas may serve on.
    rollout: application.rollout && { ...application.rollout, isPaused: false },
    stable: action.fallback,
    failure: { deployment: action.deployment, reason: action.cause },
  };
}

function advanced(
  { rollout, target }: ApplicationRecord,
  { deployment, to }: Extract<Action, { kind: "advance" }>,
): RolloutRecord {
  const current = rollout?.generation === target ? rollout : { generation: target, isPaused: false, stages: {} };
  return { ...current, stages: { ...current.stages, [splitDeploymentId(deployment).deployment]: to } };
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

function setTarget(
  draft: StateDraft,
  { deployment, target, reason }: Extract<Action, { kind: "setTarget" }>,
  now: number,
): void {
  const { targets, policies } = draft.state;
  // Nothing runs that a policy could be asked of: what it said before would end the next start at once.
  if (target === 0 && policies.has(deployment)) draft.change({ policies: without(policies, deployment) });
  if (reason === "gone") {
    draft.removeTarget(deployment);
    return;
  }
  const before = targets.get(deployment);
  const isRise = before !== undefined && target > before.target;
  const wokeAt = isRise && before.target === 0 ? now : before?.wokeAt;
  const roseAt = isRise ? now : before?.roseAt;
  draft.putTarget(deployment, { target, reason, roseAt, ...(wokeAt === undefined ? {} : { wokeAt }) });
}

function change(draft: StateDraft, id: ReplicaId, to: Partial<ReplicaRecord>): void {
  const replica = draft.state.replicas.get(id);
  if (replica !== undefined) draft.putReplica({ ...replica, ...to });
}

function changeApplication(draft: StateDraft, action: StoredAction): void {
  const { applications } = draft.state;
  const application = applications.get(action.application);
  if (application === undefined) return;
  const changed = applicationAfter(application, action);
  const next = new Map(applications);
  if (changed === undefined) next.delete(application.name);
  else next.set(application.name, changed);
  draft.change({ applications: next });
}

function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}
