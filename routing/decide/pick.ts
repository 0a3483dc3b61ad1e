import type { Random } from "../../core/random.ts";
import type { RoutingPolicy } from "../../core/spec.ts";
import type { DeploymentEntry } from "../../core/table.ts";

/** What a router knows of a replica when it chooses one. */
export type PickCandidate = {
  /** Connected, not draining, and not resting after a refusal. */
  readonly isReady: boolean;
  /** Requests this router has sent it and that have not ended: exact. */
  readonly ongoing: number;
  readonly maxOngoingRequests: number;
  /** Requests it said it had, all routers' together, with its last answer: a little old. */
  readonly reportedOngoing: number;
};

/** All that a choice depends on. */
export type PickInput = {
  /** Replicas in the table; those whose links are down included. */
  readonly replicas: readonly PickCandidate[];
  readonly routing: RoutingPolicy;
  readonly availability: DeploymentEntry["availability"];
  /** Index of the replica picked last; -1 before the first. */
  readonly lastPicked: number;
};

/** Which replica gets a request, or what becomes of it. */
export type PickDecision =
  | {
      readonly kind: "pick";
      readonly index: number;
      readonly reason: "onlyOne" | "leastOngoing" | "anyFree" | "roundRobin";
    }
  | { readonly kind: "queue"; readonly reason: "allBusy" | "noneReady" | "starting" }
  | { readonly kind: "fail"; readonly reason: "startFailed" };

const ALL_BUSY: PickDecision = { kind: "queue", reason: "allBusy" };
const NONE_READY: PickDecision = { kind: "queue", reason: "noneReady" };
const STARTING: PickDecision = { kind: "queue", reason: "starting" };
const START_FAILED: PickDecision = { kind: "fail", reason: "startFailed" };

/**
 * Chooses a replica with a free slot. `leastOngoing` compares two at random and takes the one with fewer ongoing
 * requests: nearly as even as comparing all of them, and routers that know nothing of one another do not all run to the
 * same one. Nothing ever waits for a particular replica.
 */
export function pick(input: PickInput, random: Random): PickDecision {
  const { replicas, availability } = input;
  const count = replicas.length;
  if (count === 0) {
    if (availability === "failed") return START_FAILED;
    return availability === "starting" ? STARTING : NONE_READY;
  }
  if (input.routing === "roundRobin") {
    const index = firstFree(replicas, input.lastPicked + 1);
    return index < 0 ? whyNone(replicas) : { kind: "pick", index, reason: "roundRobin" };
  }
  const first = Math.floor(random.next() * count);
  if (count === 1) return hasFreeSlot(replicas[0]) ? { kind: "pick", index: 0, reason: "onlyOne" } : whyNone(replicas);
  const second = (first + 1 + Math.floor(random.next() * (count - 1))) % count;
  const one = replicas[first];
  const other = replicas[second];
  if (hasFreeSlot(one)) {
    const index = hasFreeSlot(other) && isLess(other, one) ? second : first;
    return { kind: "pick", index, reason: "leastOngoing" };
  }
  if (hasFreeSlot(other)) return { kind: "pick", index: second, reason: "leastOngoing" };
  const index = firstFree(replicas, first);
  return index < 0 ? whyNone(replicas) : { kind: "pick", index, reason: "anyFree" };
}

function hasFreeSlot(replica: PickCandidate | undefined): replica is PickCandidate {
  return replica !== undefined && replica.isReady && replica.ongoing < replica.maxOngoingRequests;
}

/** What the replica itself said breaks ties only, because it is older than what the router counted. */
function isLess(one: PickCandidate, other: PickCandidate): boolean {
  if (one.ongoing !== other.ongoing) return one.ongoing < other.ongoing;
  return one.reportedOngoing < other.reportedOngoing;
}

/** The first with a free slot from `start` on, all the way round; -1 when there is none. */
function firstFree(replicas: readonly PickCandidate[], start: number): number {
  const count = replicas.length;
  for (let step = 0; step < count; step++) {
    const index = (start + step) % count;
    if (hasFreeSlot(replicas[index])) return index;
  }
  return -1;
}

function whyNone(replicas: readonly PickCandidate[]): PickDecision {
  return replicas.some((replica) => replica.isReady) ? ALL_BUSY : NONE_READY;
}
