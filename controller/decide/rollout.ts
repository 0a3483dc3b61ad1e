import type { NodeId, ReplicaId, Version } from "../../core/ids.ts";
import { ROLLOUT_FAILED_AFTER_STARTS } from "../../core/limits.ts";
import type { CreateReason, RemoveReason } from "./action.ts";

/**
 * How one deployment gets from the replicas it has to those it is to have. New ones come first: nothing that serves
 * leaves the table before as many of the wanted version serve, and never are there more than the target and the surge
 * at once. A removed replica leaves the table, is drained once every router knows, and is then gone. Replicas that no
 * router knows are stopped at once.
 *
 * A replica of the wanted version that is to go (`leaving`: its node drains, it asks to be recycled) is treated as an
 * outdated one: another takes its place first.
 */

/**
 * New replicas wait this long for room beside the old before the old make room: once for a whole rollout, because where
 * the first found none the second will not either, and ten replicas on full nodes would wait 100 s.
 */
export const MAKE_ROOM_AFTER_MS = 10_000;

/** Why a replica of the wanted version is replaced by another of the same version. */
export type LeavingReason = Extract<RemoveReason, "nodeDrains" | "retires">;

/** What the rollout must know of one replica. */
export type RolloutReplica = {
  readonly id: ReplicaId;
  readonly version: Version;
  readonly node: NodeId | undefined;
  readonly desired: "run" | "leave" | "drain" | "stop";
  readonly isReady: boolean;
  /** Ready, and every router knows it. */
  readonly isServing: boolean;
  /** It is to be replaced first and then removed, for this reason; undefined: it may stay. */
  readonly leaving: LeavingReason | undefined;
  /** Its last start failed. */
  readonly isFailing: boolean;
  /** Starts in a row that failed. */
  readonly failedStarts: number;
  /** Times its process was started again. */
  readonly restarts: number;
  readonly reason: string;
  /** Leaving, and every router knows. */
  readonly isUnlisted: boolean;
  /** It may not be stopped yet: the controller has just started, and it may be wanted after all. */
  readonly isHeld: boolean;
  /** No release says how to run it, so it cannot be told to drain. */
  readonly isUnknown: boolean;
  /** Its version is not the wanted one, and has not passed what its rollout asked of it. */
  readonly isUnproven: boolean;
  readonly createdAt: number;
};

/** One deployment's replicas, oldest first, and what it is to have. */
export type RolloutInput = {
  readonly version: Version | undefined;
  readonly target: number;
  /** Nothing is removed: replicas that call it still run. */
  readonly isHeld: boolean;
  readonly replicas: readonly RolloutReplica[];
  /** Replicas of two versions serve side by side, so many of the new one; undefined: the wanted version takes over. */
  readonly beside?: Beside | undefined;
  /** See `RolloutSpec`. */
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  /** Whether the pending replica would fit if the other were not there. */
  readonly wouldFitWithout: (pending: ReplicaId, other: ReplicaId) => boolean;
};

/** How many of which version serve beside the wanted one, and how many of that. */
export type Beside = { readonly from: Version; readonly oldCount: number; readonly newCount: number };

/** What the rollout does next. */
export type RolloutStep =
  | { readonly kind: "create"; readonly version: Version; readonly count: number; readonly reason: CreateReason }
  | { readonly kind: "leave"; readonly replica: ReplicaId; readonly reason: RemoveReason }
  | { readonly kind: "stop"; readonly replica: ReplicaId; readonly reason: RemoveReason }
  | { readonly kind: "forget"; readonly replica: ReplicaId; readonly reason: RemoveReason }
  | { readonly kind: "drain"; readonly replica: ReplicaId; readonly reason: "unlisted" };

/** Replicas that may exist beyond the target while versions change: by a quarter, at least one (10 → 3, 1 → 1). */
export function surgeOf(target: number, maxSurge: number): number {
  return maxSurge >= 1 ? maxSurge : Math.ceil(target * maxSurge);
}

/**
 * Replicas that may be missing of the target meanwhile: a share is rounded down. At least one where none may come first,
 * because nothing could ever be replaced then.
 */
export function unavailableOf(target: number, budget: Pick<RolloutInput, "maxSurge" | "maxUnavailable">): number {
  const { maxSurge, maxUnavailable } = budget;
  const unavailable = maxUnavailable >= 1 ? maxUnavailable : Math.floor(target * maxUnavailable);
  return unavailable === 0 && surgeOf(target, maxSurge) === 0 ? 1 : unavailable;
}

/** Decides a deployment's next steps. */
export function rollout(input: RolloutInput, now: number): readonly RolloutStep[] {
  const { version, target, replicas } = input;
  const steps: RolloutStep[] = replicas.filter(isDrainable).map(drainStep);
  if (input.isHeld) return steps;
  if (input.beside !== undefined && version !== undefined)
    return [...steps, ...sideBySide(input, version, input.beside)];

  const running = replicas.filter(({ desired }) => desired === "run");
  const isWanted = (replica: RolloutReplica): boolean => replica.version === version && replica.leaving === undefined;
  const wanted = running.filter(isWanted);
  const outdated = running.filter((replica) => !isWanted(replica));

  const { removals, kept } = outdatedRemovals(outdated, wanted, input);
  const surplus = surplusOf(wanted, target).flatMap((replica) => removal(replica, "aboveTarget"));
  steps.push(...removals);
  if (version === undefined) return steps;

  steps.push(...surplus);
  // What is on a draining node takes no room from those that replace it: all of them may start at once.
  const besides = kept.filter(({ leaving }) => leaving !== "nodeDrains").length;
  const room = target + (kept.length > 0 ? surgeOf(target, input.maxSurge) : 0) - wanted.length - besides;
  const count = Math.max(0, Math.min(target - wanted.length, room));
  if (count > 0) steps.push({ kind: "create", version, count, reason: outdated.length > 0 ? "surge" : "belowTarget" });
  // What is removed just now makes room of its own, and must not be removed twice.
  if (removals.length + surplus.length === 0) steps.push(...makeRoom(input, wanted, outdated, now));
  return steps;
}

/**
 * Why a version that never served is to be given up: so many starts failed in a row, over all its replicas, and none
 * is ready; or one replica starts well and ends again and again. The reason is the first cause.
 */
export function givenUpReason(replicas: readonly RolloutReplica[], version: Version): string | undefined {
  const starting = replicas.filter((replica) => replica.version === version && replica.desired === "run");
  const crashing = starting.find(({ restarts }) => restarts >= ROLLOUT_FAILED_AFTER_STARTS);
  if (crashing !== undefined && crashing.failedStarts === 0) {
    return `${crashing.id} ended ${crashing.restarts} times after it had been ready; see \`serve logs\``;
  }
  if (starting.some(({ isReady }) => isReady)) return undefined;
  const failedStarts = starting.reduce((sum, replica) => sum + replica.failedStarts, 0);
  if (failedStarts < ROLLOUT_FAILED_AFTER_STARTS) return undefined;
  const first = starting.find(({ failedStarts, reason }) => failedStarts > 0 && reason !== "");
  return first?.reason ?? "its start failed and its worker told no cause; see `serve logs`";
}

/** Both versions have their counts, and neither makes room for the other. Any third one goes. */
function sideBySide(
  { replicas }: RolloutInput,
  version: Version,
  { from, oldCount, newCount }: Beside,
): readonly RolloutStep[] {
  const running = replicas.filter(({ desired }) => desired === "run");
  const others = running.filter((replica) => replica.version !== version && replica.version !== from);
  const keep = (which: Version, count: number): readonly RolloutStep[] => {
    const all = running.filter((replica) => replica.version === which);
    const staying = all.filter(({ leaving }) => leaving === undefined);
    const serving = staying.filter(({ isServing }) => isServing).length;
    // Those that are to leave go once others serve in their place.
    const leaving = serving >= count ? all.filter((replica) => replica.leaving !== undefined) : [];
    const missing = count - staying.length;
    return [
      ...surplusOf(staying, count).flatMap((replica) => removal(replica, "aboveTarget")),
      ...leaving.flatMap((replica) => removal(replica, replica.leaving ?? "aboveTarget")),
      ...(missing > 0
        ? [{ kind: "create" as const, version: which, count: missing, reason: "belowTarget" as const }]
        : []),
    ];
  };
  return [
    ...others.flatMap((replica) => removal(replica, replica.isUnknown ? "unknown" : "replaced")),
    ...keep(from, oldCount),
    ...keep(version, newCount),
  ];
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
 * that no release describes: their node can be told nothing while it has one, not even to start what is wanted. And so do
 * those of a version that never passed its steps, because no user's request may reach them. Of the others as many stay as the wanted ones that serve are short of the target.
 */
function outdatedRemovals(
  outdated: readonly RolloutReplica[],
  wanted: readonly RolloutReplica[],
  input: RolloutInput,
): { removals: RolloutStep[]; kept: readonly RolloutReplica[] } {
  const { version, target } = input;
  const replacedFor = ({ leaving }: RolloutReplica): RemoveReason =>
    version === undefined ? "removed" : (leaving ?? "replaced");
  const useless = outdated.filter((replica) => isUseless(replica) || replica.isUnproven);
  const useful = outdated.filter((replica) => !useless.includes(replica));
  const serving = wanted.filter(({ isServing }) => isServing).length;
  const least = target - unavailableOf(target, input);
  const keptCount = Math.min(useful.length, Math.max(0, least - serving));
  const leastUsefulFirst = byUse(useful);
  const removed = leastUsefulFirst.slice(0, useful.length - keptCount);
  const reasonOf = (replica: RolloutReplica): RemoveReason => {
    if (replica.isUnknown) return "unknown";
    if (replica.isUnproven) return "unproven";
    return version === undefined || replica.version === version ? replacedFor(replica) : "outdatedAndFailing";
  };
  return {
    removals: [
      ...useless.flatMap((replica) => removal(replica, reasonOf(replica))),
      ...removed.flatMap((replica) => removal(replica, replacedFor(replica))),
    ],
    kept: leastUsefulFirst.slice(removed.length),
  };
}

function isUseless({ isFailing, isUnknown, node }: RolloutReplica): boolean {
  return isFailing || isUnknown || node === undefined;
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

/** Least useful first: not ready before ready, then what is to go anyway, then from the fullest node, then the newest. */
function byUse(replicas: readonly RolloutReplica[]): RolloutReplica[] {
  const perNode = new Map<NodeId | undefined, number>();
  for (const { node } of replicas) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  const use = (replica: RolloutReplica): number =>
    replica.node === undefined ? 0 : replica.isFailing ? 1 : replica.isReady ? 3 : 2;
  return [...replicas].sort(
    (a, b) =>
      use(a) - use(b) ||
      Number(b.leaving !== undefined) - Number(a.leaving !== undefined) ||
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
