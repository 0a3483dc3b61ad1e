import type { NodeId, ReplicaId, Version } from "../../core/ids.ts";
import { ROLLOUT_FAILED_AFTER_STARTS } from "../../core/limits.ts";
import type { CreateReason, RemoveReason } from "./action.ts";

/**
 * How one deployment gets from the replicas it has to those it is to have. New ones come first: nothing that serves
 * leaves the table before as many of the wanted version serve, and never are there more than the target and the surge
 * at once. A removed replica leaves the table, is drained once every router knows, and is then gone. Replicas that no
 * router knows are stopped at once.
 */

/**
 * New replicas wait this long for room beside the old before the old make room: once for a whole rollout, because where
 * the first found none the second will not either, and ten replicas on full nodes would wait 100 s.
 */
export const MAKE_ROOM_AFTER_MS = 10_000;

/** What the rollout must know of one replica. */
export type RolloutReplica = {
  readonly id: ReplicaId;
  readonly version: Version;
  readonly node: NodeId | undefined;
  readonly desired: "run" | "leave" | "drain" | "stop";
  readonly isReady: boolean;
  /** Ready, and every router knows it. */
  readonly isServing: boolean;
  /** Its last start failed. */
  readonly isFailing: boolean;
  /** Starts in a row that failed. */
  readonly failedStarts: number;
  readonly reason: string;
  /** Leaving, and every router knows. */
  readonly isUnlisted: boolean;
  /** It may not be stopped yet: the controller has just started, and it may be wanted after all. */
  readonly isHeld: boolean;
  /** No release says how to run it, so it cannot be told to drain. */
  readonly isUnknown: boolean;
  readonly createdAt: number;
};

/** One deployment's replicas, oldest first, and what it is to have. */
export type RolloutInput = {
  readonly version: Version | undefined;
  readonly target: number;
  /** Nothing is removed: replicas that call it still run. */
  readonly isHeld: boolean;
  readonly replicas: readonly RolloutReplica[];
  /** Whether the pending replica would fit if the other were not there. */
  readonly wouldFitWithout: (pending: ReplicaId, other: ReplicaId) => boolean;
};

/** What the rollout does next. */
export type RolloutStep =
  | { readonly kind: "create"; readonly count: number; readonly reason: CreateReason }
  | { readonly kind: "leave" | "stop" | "forget"; readonly replica: ReplicaId; readonly reason: RemoveReason }
  | { readonly kind: "drain"; readonly replica: ReplicaId; readonly reason: "unlisted" };

/** Replicas that may exist beyond the target while versions change: a quarter, at least one (10 → 3, 1 → 1). */
export function surgeOf(target: number): number {
  return Math.max(1, Math.ceil(target / 4));
}

/** Decides a deployment's next steps. */
export function rollout(input: RolloutInput, now: number): readonly RolloutStep[] {
  const { version, target, replicas } = input;
  const steps: RolloutStep[] = replicas.filter(isDrainable).map(drainStep);
  if (input.isHeld) return steps;

  const running = replicas.filter(({ desired }) => desired === "run");
  const wanted = running.filter((replica) => replica.version === version);
  const outdated = running.filter((replica) => replica.version !== version);

  const { removals, kept } = outdatedRemovals(outdated, wanted, input);
  const surplus = surplusOf(wanted, target).flatMap((replica) => removal(replica, "aboveTarget"));
  steps.push(...removals);
  if (version === undefined) return steps;

  steps.push(...surplus);
  const room = target + (kept > 0 ? surgeOf(target) : 0) - wanted.length - kept;
  const count = Math.max(0, Math.min(target - wanted.length, room));
  if (count > 0) steps.push({ kind: "create", count, reason: outdated.length > 0 ? "surge" : "belowTarget" });
  // What is removed just now makes room of its own, and must not be removed twice.
  if (removals.length + surplus.length === 0) steps.push(...makeRoom(input, wanted, outdated, now));
  return steps;
}

/**
 * Why a version that never served is to be given up: so many starts failed in a row, over all its replicas, and none
 * is ready. The reason is the first cause.
 */
export function givenUpReason(replicas: readonly RolloutReplica[], version: Version): string | undefined {
  const starting = replicas.filter((replica) => replica.version === version && replica.desired === "run");
  if (starting.some(({ isReady }) => isReady)) return undefined;
  const failedStarts = starting.reduce((sum, replica) => sum + replica.failedStarts, 0);
  if (failedStarts < ROLLOUT_FAILED_AFTER_STARTS) return undefined;
  const first = starting.find(({ failedStarts, reason }) => failedStarts > 0 && reason !== "");
  return first?.reason ?? "its start failed and its worker told no cause; see `serve logs`";
}

function isDrainable({ desired, isUnlisted }: RolloutReplica): boolean {
  return desired === "leave" && isUnlisted;
}

function drainStep(replica: RolloutReplica): RolloutStep {
  if (replica.isUnknown) return { kind: "stop", replica: replica.id, reason: "unknown" };
  return { kind: "drain", replica: replica.id, reason: "unlisted" };
}

/** Removes a replica the way its state allows. */
function removal(replica: RolloutReplica, reason: RemoveReason): RolloutStep[] {
  if (replica.isHeld) return [];
  if (replica.node === undefined) return [{ kind: "forget", replica: replica.id, reason }];
  return [{ kind: replica.isReady ? "leave" : "stop", replica: replica.id, reason }];
}

/**
 * Outdated replicas that do not start go at once: they serve nobody and hold what the wanted ones may need. So do those
 * that no release describes: their node can be told nothing while it has one, not even to start what is wanted. Of the
 * others as many stay as the wanted ones that serve are short of the target.
 */
function outdatedRemovals(
  outdated: readonly RolloutReplica[],
  wanted: readonly RolloutReplica[],
  { version, target }: RolloutInput,
): { removals: RolloutStep[]; kept: number } {
  const reason = version === undefined ? "removed" : "replaced";
  const useless = outdated.filter((replica) => replica.isFailing || replica.isUnknown || replica.node === undefined);
  const useful = outdated.filter((replica) => !useless.includes(replica));
  const serving = wanted.filter(({ isServing }) => isServing).length;
  const kept = Math.min(useful.length, Math.max(0, target - serving));
  const leastUsefulFirst = byUse(useful);
  const reasonOf = ({ isUnknown }: RolloutReplica): RemoveReason => {
    if (isUnknown) return "unknown";
    return version === undefined ? reason : "outdatedAndFailing";
  };
  return {
    removals: [
      ...useless.flatMap((replica) => removal(replica, reasonOf(replica))),
      ...leastUsefulFirst.slice(0, useful.length - kept).flatMap((replica) => removal(replica, reason)),
    ],
    kept,
  };
}

/** Those to remove when there are more than the target. */
function surplusOf(wanted: readonly RolloutReplica[], target: number): readonly RolloutReplica[] {
  const left = [...wanted];
  const surplus: RolloutReplica[] = [];
  while (left.length > target) {
    const [least] = byUse(left);
    if (least === undefined) break;
    surplus.push(least);
    left.splice(left.indexOf(least), 1);
  }
  return surplus;
}

/** Least useful first: not ready before ready, then from the fullest node, then the newest. */
function byUse(replicas: readonly RolloutReplica[]): RolloutReplica[] {
  const perNode = new Map<NodeId | undefined, number>();
  for (const { node } of replicas) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  const use = (replica: RolloutReplica): number =>
    replica.node === undefined ? 0 : replica.isFailing ? 1 : replica.isReady ? 3 : 2;
  return [...replicas].sort(
    (a, b) =>
      use(a) - use(b) ||
      (perNode.get(b.node) ?? 0) - (perNode.get(a.node) ?? 0) ||
      b.createdAt - a.createdAt ||
      (a.id < b.id ? -1 : 1),
  );
}

/** Where old and new do not fit side by side, one old at a time makes room for one new. */
function makeRoom(
  input: RolloutInput,
  wanted: readonly RolloutReplica[],
  outdated: readonly RolloutReplica[],
  now: number,
): RolloutStep[] {
  const isOneOnItsWay =
    input.replicas.some(({ desired }) => desired !== "run") ||
    wanted.some(({ isServing, node }) => node !== undefined && !isServing);
  if (isOneOnItsWay) return [];
  const beganAt = Math.min(...wanted.map(({ createdAt }) => createdAt));
  const pending = wanted.find(({ node }) => node === undefined);
  if (pending === undefined || now < beganAt + MAKE_ROOM_AFTER_MS) return [];
  const other = byUse(outdated).find(({ id, isHeld }) => !isHeld && input.wouldFitWithout(pending.id, id));
  return other === undefined ? [] : removal(other, "makesRoom");
}
