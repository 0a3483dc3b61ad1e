import type { DeploymentId, ReplicaId } from "../../core/ids.ts";
import { type Action, applicationOf, subjectOf } from "./action.ts";
import { act } from "./apply-action.ts";
import { capacityOf, type NodeCapacity } from "./capacity.ts";
import { type ClusterState, isReady, isSettled } from "./cluster.ts";
import { StateDraft } from "./draft.ts";

/**
 * Judges a plan by what must always hold, whoever made it: every action has a reason and something to act on, nothing
 * is done twice, no node is given more than it has, nothing is placed where it cannot run, and no replica that a router
 * may know is drained or stopped. Returns what is broken, in words.
 */
export function checkPlan(state: ClusterState, actions: readonly Action[], now: number): readonly string[] {
  const violations: string[] = [];
  const done = new Set<string>();
  const draft = new StateDraft(state);
  for (const action of actions) {
    const name = `${action.kind} ${subjectOf(action)}`;
    const broken = (what: string): number => violations.push(`${name}: ${what}`);
    if (String(action.reason) === "") broken("it has no reason");
    if (done.has(name) && action.kind !== "setTarget") broken("it is done twice");
    done.add(name);
    checkReplica(draft.state, action, now, broken);
    const before = action.kind === "bind" ? capacityOf(draft.state, action.node) : undefined;
    act(draft, action, now);
    if (action.kind === "bind") checkRoom(before, capacityOf(draft.state, action.node), action, broken);
  }
  return violations;
}

/** What is left of a plan when the applications whose part of it breaks something are left out, and what they break. */
export type SoundPlan = { readonly actions: readonly Action[]; readonly violations: readonly string[] };

/**
 * A plan that may be performed: one application's mistake must not stop the others' replacements and drains. Where what is
 * broken is no application's, nothing is left.
 */
export function soundPlan(state: ClusterState, actions: readonly Action[], now: number): SoundPlan {
  const violations = checkPlan(state, actions, now);
  if (violations.length === 0) return { actions, violations };
  const created = new Map(
    actions.flatMap((action) => (action.kind === "create" ? [[action.replica, action.deployment] as const] : [])),
  );
  const deploymentOf = (id: ReplicaId): DeploymentId | undefined =>
    created.get(id) ?? state.replicas.get(id)?.deployment;
  const byApplication = Map.groupBy(actions, (action) => applicationOf(action, deploymentOf) ?? "");
  const common = byApplication.get("") ?? [];
  let sound: readonly Action[] = checkPlan(state, common, now).length === 0 ? common : [];
  for (const [name, own] of byApplication) {
    if (name === "") continue;
    // In the order in which they were decided: what one application gets another may have been refused for.
    const kept = new Set([...sound, ...own]);
    const more = actions.filter((action) => kept.has(action));
    if (checkPlan(state, more, now).length === 0) sound = more;
  }
  return { actions: sound, violations };
}

type Broken = (what: string) => void;

function checkReplica(state: ClusterState, action: Action, now: number, broken: Broken): void {
  if (!("replica" in action)) return;
  if (action.kind === "create") {
    if (state.replicas.has(action.replica)) broken("there is one of that id");
    return;
  }
  const replica = state.replicas.get(action.replica);
  if (replica === undefined) {
    broken("there is no such replica");
    return;
  }
  switch (action.kind) {
    case "bind": {
      if (replica.node !== undefined) broken(`it is on node ${replica.node} already`);
      const node = state.nodes.get(action.node);
      if (node?.state !== "live") broken(`node ${action.node} is ${node?.state ?? "unknown"}`);
      break;
    }
    case "leave":
      if (replica.desired !== "run") broken(`it is to ${replica.desired} already`);
      break;
    case "drain":
      if (replica.desired !== "leave") broken("it has not left the table");
      else if (!isSettled(state, replica.unlisted, now)) broken("routers may still know it");
      break;
    case "stop":
      checkStop(state, action.replica, now, broken);
      break;
    case "forget":
      if (replica.node !== undefined && action.reason !== "nodeLost" && action.reason !== "ended") {
        broken("its process may still run");
      }
      break;
    case "pend":
      break;
  }
}

function checkStop(state: ClusterState, id: ReplicaId, now: number, broken: Broken): void {
  const replica = state.replicas.get(id);
  if (replica === undefined) return;
  if (replica.desired === "run" && isReady(replica)) broken("it is ready, and routers may know it");
  if (replica.desired === "leave" && !isSettled(state, replica.unlisted, now)) broken("routers may still know it");
}

/** What is given out may be more than a node has when it came back smaller; only what this bind takes is judged. */
function checkRoom(
  was: NodeCapacity | undefined,
  is: NodeCapacity | undefined,
  action: Extract<Action, { kind: "bind" }>,
  broken: Broken,
): void {
  for (const [name, amount] of is?.free ?? []) {
    if (amount < 0 && amount < (was?.free.get(name) ?? 0)) broken(`node ${action.node} has too little ${name}`);
  }
  for (const [i, { id, freeUnits }] of (is?.gpus ?? []).entries()) {
    if (freeUnits < 0 && freeUnits < (was?.gpus[i]?.freeUnits ?? 0)) {
      broken(`GPU ${id} of node ${action.node} is given out more than once`);
    }
  }
}
