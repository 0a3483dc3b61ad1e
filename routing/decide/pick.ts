/**
 * Which replica gets a request. Nothing ever waits for a particular one: whatever the policy, a request gets a free slot
 * if there is one.
 *
 * - `leastOngoing` takes the nearest replicas with a free slot (same node, then same zone, then any), compares two of
 *   them at random and takes the one with fewer ongoing requests: nearly as even as comparing all, and routers that know
 *   nothing of one another do not all run to the same one.
 * - `roundRobin` and `weighted` take the one whose turn comes first; a turn of a replica comes after 1 ÷ its weight.
 * - `consistentHash` takes the owner of the request's key on a ring, or the next replica on it that is not loaded beyond
 *   its share (Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads, 2016). Without a key it is
 *   `leastOngoing`.
 *
 * A request for one of several models goes, whatever the policy but a key's, where that model is
 * (`pick-for-model.ts`).
 */
import type { Random } from "../../core/random.ts";
import type { RoutingPolicy } from "../../core/spec.ts";
import type { DeploymentEntry } from "../../core/table.ts";
import { isLoaded, loadBound } from "./load-bound.ts";
import { pickForModel, type ModelCandidate } from "./pick-for-model.ts";
import { firstPoint, ownerAt, type Ring } from "./ring.ts";

/** What a router knows of a replica when it chooses one. */
export type PickCandidate = ModelCandidate & {
  /** Requests it said it had, all routers' together, when it was last heard: a little old. */
  readonly reportedOngoing: number;
  /** When its turn comes, for policies that take turns. */
  readonly turnAt: number;
  /** Its place in the table; decides between equal turns. */
  readonly position: number;
};

/** What a request wants of a choice. */
export type PickWish = {
  /** Session key; empty: none. */
  readonly key: string;
  /** One of several models; empty: none. */
  readonly modelId: string;
};

/** All that a choice depends on. */
export type PickInput<C extends PickCandidate> = {
  /** Replicas in the table, in its order. */
  readonly replicas: readonly C[];
  /** Those of them that are free, in any order: on the same node, in the same zone, anywhere. */
  readonly free: readonly (readonly C[])[];
  /** Replicas that have one of several models, free or not. */
  readonly holdersOf: (modelId: string) => Iterable<C>;
  /** How many are connected and not left out, free or not. */
  readonly readyCount: number;
  /** Requests that all of them together have of this router. */
  readonly ongoingCount: number;
  readonly routing: RoutingPolicy;
  readonly availability: DeploymentEntry["availability"];
  /** Of all `replicas`; undefined unless the policy needs it. */
  readonly ring: Ring | undefined;
};

/** Which replica gets a request, or what becomes of it. */
export type PickDecision<C extends PickCandidate> =
  | { readonly kind: "pick"; readonly replica: C; readonly reason: PickReason }
  | NoPick;

/** Why it is this one. */
export type PickReason =
  | "onlyOne"
  | "leastOngoing"
  | "roundRobin"
  | "weighted"
  | "keyOwner"
  | "keyNext"
  | "modelHeld"
  | "modelSpread"
  | "modelPlaced";

/** There is no replica for it now. */
export type NoPick =
  | { readonly kind: "queue"; readonly reason: "allBusy" | "noneReady" | "starting" }
  | { readonly kind: "fail"; readonly reason: "startFailed" };

const ALL_BUSY: NoPick = { kind: "queue", reason: "allBusy" };
const NONE_READY: NoPick = { kind: "queue", reason: "noneReady" };
const STARTING: NoPick = { kind: "queue", reason: "starting" };
const START_FAILED: NoPick = { kind: "fail", reason: "startFailed" };

/** Points of a ring that one walk looks at; beyond it nearly all replicas are full, and any that is not will do. */
const MOST_RING_STEPS = 2_000;

/** Chooses a replica for a request. */
export function pick<C extends PickCandidate>(
  input: PickInput<C>,
  { key, modelId }: PickWish,
  random: Random,
): PickDecision<C> {
  const nearest = nearestFree(input.free);
  if (nearest === undefined) return whyNone(input);
  if (modelId !== "" && (key === "" || input.ring === undefined)) {
    const { replica, reason } = pickForModel(input, modelId) ?? { replica: nearest[0], reason: "modelPlaced" };
    return { kind: "pick", replica, reason };
  }
  if (input.routing === "roundRobin" || input.routing === "weighted") {
    return { kind: "pick", replica: firstTurn(nearest), reason: input.routing };
  }
  if (input.ring !== undefined && key !== "") {
    const found = byKey(input, input.ring, key);
    if (found !== undefined) return found;
  }
  return leastOngoing(nearest, random);
}

/** At least one replica. */
type Some<C> = readonly [C, ...C[]];

function isSome<C>(replicas: readonly C[]): replicas is Some<C> {
  return replicas.length > 0;
}

function nearestFree<C>(free: readonly (readonly C[])[]): Some<C> | undefined {
  for (const replicas of free) if (isSome(replicas)) return replicas;
  return undefined;
}

function leastOngoing<C extends PickCandidate>(free: Some<C>, random: Random): PickDecision<C> {
  const count = free.length;
  if (count === 1) return { kind: "pick", replica: free[0], reason: "onlyOne" };
  const first = Math.floor(random.next() * count);
  const second = (first + 1 + Math.floor(random.next() * (count - 1))) % count;
  const one = free[first] ?? free[0];
  const other = free[second] ?? free[0];
  return { kind: "pick", replica: isLess(other, one) ? other : one, reason: "leastOngoing" };
}

/** What the replica itself said breaks ties only, because it is older than what the router counted. */
function isLess(one: PickCandidate, other: PickCandidate): boolean {
  if (one.ongoing !== other.ongoing) return one.ongoing < other.ongoing;
  return one.reportedOngoing < other.reportedOngoing;
}

/** Looks at all that are free, a few ns each: 4 µs with a thousand of them. */
function firstTurn<C extends PickCandidate>(free: Some<C>): C {
  let [first] = free;
  let firstTurnAt = first.turnAt;
  for (let at = 1; at < free.length; at++) {
    const replica = free[at] ?? first;
    const { turnAt } = replica;
    if (turnAt > firstTurnAt || (turnAt === firstTurnAt && replica.position > first.position)) continue;
    first = replica;
    firstTurnAt = turnAt;
  }
  return first;
}

function byKey<C extends PickCandidate>(
  { replicas, readyCount, ongoingCount }: PickInput<C>,
  ring: Ring,
  key: string,
): PickDecision<C> | undefined {
  const bound = loadBound(ongoingCount, readyCount);
  const start = firstPoint(ring, key);
  const owner = ownerAt(ring, start);
  let anyFree: C | undefined;
  const steps = Math.min(ring.points.length, MOST_RING_STEPS);
  for (let step = 0; step < steps; step++) {
    const index = ownerAt(ring, start + step);
    const replica = replicas[index];
    if (replica === undefined || !replica.isFree) continue;
    if (!isLoaded(replica, bound)) return { kind: "pick", replica, reason: index === owner ? "keyOwner" : "keyNext" };
    anyFree ??= replica;
  }
  return anyFree === undefined ? undefined : { kind: "pick", replica: anyFree, reason: "keyNext" };
}

function whyNone({ replicas, readyCount, availability }: PickInput<PickCandidate>): NoPick {
  if (readyCount > 0) return ALL_BUSY;
  if (replicas.length > 0 || availability === "available") return NONE_READY;
  return availability === "failed" ? START_FAILED : STARTING;
}
