import type { AssignedReplica } from "../../core/assignment.ts";
import type { ReplicaId } from "../../core/ids.ts";
import { isSameData } from "../../core/same-data.ts";
import type { DeploymentOptionsSpec } from "../../core/spec.ts";

/**
 * Where a replica stands on this node: `waiting` (no process; to be started at `restartAt`, or given up), `starting`,
 * `ready`, `draining` (told to finish), `ending` (told to end at once) and `stopped` (its process is gone for good).
 */
export type KnownPhase = "waiting" | "starting" | "ready" | "draining" | "ending" | "stopped";

/** What the worker knows of one replica. */
export type KnownReplica = {
  readonly id: ReplicaId;
  readonly phase: KnownPhase;
  /** When a waiting one is to be started, monotonic milliseconds; undefined: never, it was given up. */
  readonly restartAt: number | undefined;
  /** Options its process runs with. */
  readonly options: DeploymentOptionsSpec;
};

/** One thing to do, and why. */
export type AssignAction =
  | { readonly kind: "start"; readonly replica: AssignedReplica; readonly reason: "assigned" | "backoffOver" }
  | { readonly kind: "drain"; readonly id: ReplicaId; readonly timeoutMs: number; readonly reason: "drainAsked" }
  | { readonly kind: "end"; readonly id: ReplicaId; readonly reason: "removed" | "notReadyAndDrained" }
  | {
      readonly kind: "reconfigure";
      readonly id: ReplicaId;
      readonly options: DeploymentOptionsSpec;
      readonly reason: "optionsChanged";
    }
  /** It has no process and is not to get one: the controller is told that it is gone. */
  | { readonly kind: "forget"; readonly id: ReplicaId; readonly reason: "removed" | "drained" };

/** All that is to be done now, and when to ask again at the latest. */
export type AssignPlan = { readonly actions: readonly AssignAction[]; readonly wakeAt: number | undefined };

/**
 * Compares what the node is to run with what it runs. Safe to ask at any moment: a replica that is on its way to where
 * it should be gives no action.
 */
export function assign(wanted: readonly AssignedReplica[], known: readonly KnownReplica[], now: number): AssignPlan {
  const actions: AssignAction[] = [];
  let wakeAt: number | undefined;
  const byId = new Map(known.map((replica) => [replica.id, replica]));
  for (const replica of wanted) {
    const current = byId.get(replica.id);
    byId.delete(replica.id);
    const action = replica.desired === "run" ? run(replica, current, now) : drain(replica, current);
    if (action !== undefined) actions.push(action);
    else if (current?.phase === "waiting" && current.restartAt !== undefined) {
      wakeAt = Math.min(wakeAt ?? current.restartAt, current.restartAt);
    }
  }
  for (const replica of byId.values()) {
    const action = remove(replica);
    if (action !== undefined) actions.push(action);
  }
  return { actions, wakeAt };
}

function run(replica: AssignedReplica, current: KnownReplica | undefined, now: number): AssignAction | undefined {
  if (current === undefined || current.phase === "stopped") return { kind: "start", replica, reason: "assigned" };
  if (current.phase === "waiting") {
    const isDue = current.restartAt !== undefined && now >= current.restartAt;
    return isDue ? { kind: "start", replica, reason: "backoffOver" } : undefined;
  }
  const { options } = replica.launch;
  // Only a ready replica is told; one that starts gets there, and is then compared again.
  if (current.phase !== "ready" || isSameData(current.options, options)) return undefined;
  return { kind: "reconfigure", id: replica.id, options, reason: "optionsChanged" };
}

function drain(replica: AssignedReplica, current: KnownReplica | undefined): AssignAction | undefined {
  const { id, launch } = replica;
  switch (current?.phase) {
    case undefined:
    case "waiting":
    case "stopped":
      return { kind: "forget", id, reason: "drained" };
    case "starting":
      return { kind: "end", id, reason: "notReadyAndDrained" };
    case "ready":
      return { kind: "drain", id, timeoutMs: launch.options.gracefulShutdownTimeoutMs, reason: "drainAsked" };
    case "draining":
    case "ending":
      return undefined;
  }
}

function remove(current: KnownReplica): AssignAction | undefined {
  switch (current.phase) {
    case "waiting":
    case "stopped":
      return { kind: "forget", id: current.id, reason: "removed" };
    case "starting":
    case "ready":
    case "draining":
      return { kind: "end", id: current.id, reason: "removed" };
    case "ending":
      return undefined;
  }
}
