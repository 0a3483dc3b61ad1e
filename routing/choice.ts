import type { RoutingPolicy } from "../core/spec.ts";
import type { DeploymentEntry } from "../core/table.ts";
import type { Distance } from "./decide/locality.ts";
import type { PickCandidate, PickInput } from "./decide/pick.ts";
import { buildRing, type Ring } from "./decide/ring.ts";

/** What a choice must know of a replica, and what it notes on it. */
export interface ChoiceMember extends PickCandidate {
  readonly entry: { readonly id: string };
  readonly isListed: boolean;
  readonly isReady: boolean;
  readonly distance: Distance;
  position: number;
  /** Where it stands among the free ones of its distance; -1 while it does not. Owned by the choice. */
  freeAt: number;
  /** `ongoing` as it was counted. Owned by the choice. */
  countedOngoing: number;
  /** `isReady` as it was counted. Owned by the choice. */
  isCountedReady: boolean;
}

/**
 * Replicas among which a request may go to any: all of a deployment, or those of one version while requests are divided
 * among versions. Choosing must not look at all of them, so what it depends on is kept up to date with every change.
 */
export class Choice<C extends ChoiceMember> implements PickInput<C> {
  replicas: readonly C[] = [];
  readonly free: readonly C[][] = [[], [], []];
  readyCount = 0;
  ongoingCount = 0;
  ring: Ring | undefined = undefined;
  routing: RoutingPolicy;
  availability: DeploymentEntry["availability"];
  readonly holdersOf: (modelId: string) => Iterable<C>;
  /** What an answer usually takes, milliseconds; undefined: too little is known. */
  usualMs: number | undefined = undefined;

  constructor({ routing, availability }: DeploymentEntry, holdersOf: (modelId: string) => Iterable<C>) {
    this.routing = routing;
    this.availability = availability;
    this.holdersOf = holdersOf;
  }

  /** Takes over a table. What is counted of the replicas is right once each was refreshed. */
  list({ routing, availability }: DeploymentEntry, replicas: readonly C[]): void {
    // Tables change far more often than these: a ring of a thousand replicas costs milliseconds.
    const before = this.replicas;
    const isChanged =
      before.length !== replicas.length || before.some((each, at) => each.entry.id !== replicas[at]?.entry.id);
    this.routing = routing;
    this.availability = availability;
    this.replicas = replicas;
    for (const [position, replica] of replicas.entries()) replica.position = position;
    if (routing !== "consistentHash") this.ring = undefined;
    else if (this.ring === undefined || isChanged) this.ring = buildRing(replicas.map(({ entry }) => entry.id));
  }

  /** Brings up to date what is counted and listed of a replica. */
  refresh(replica: C): void {
    const { isListed } = replica;
    const ongoing = isListed ? replica.ongoing : 0;
    this.ongoingCount += ongoing - replica.countedOngoing;
    replica.countedOngoing = ongoing;
    const isReady = isListed && replica.isReady;
    if (isReady !== replica.isCountedReady) this.readyCount += isReady ? 1 : -1;
    replica.isCountedReady = isReady;
    this.#setFree(replica, replica.isFree);
  }

  /** Counts nothing of a replica any more: it goes to another choice, or to another distance. */
  leave(replica: C): void {
    this.ongoingCount -= replica.countedOngoing;
    replica.countedOngoing = 0;
    if (replica.isCountedReady) this.readyCount -= 1;
    replica.isCountedReady = false;
    this.#setFree(replica, false);
  }

  /** Those of its replicas that are so. Made anew each time, for what is asked seldom. */
  only(isWanted: (replica: C) => boolean): PickInput<C> {
    const replicas = this.replicas.filter(isWanted);
    return {
      replicas,
      free: this.free.map((list) => list.filter(isWanted)),
      holdersOf: (modelId) => [...this.holdersOf(modelId)].filter(isWanted),
      readyCount: replicas.filter(({ isReady }) => isReady).length,
      ongoingCount: replicas.reduce((sum, { ongoing }) => sum + ongoing, 0),
      routing: this.routing,
      availability: this.availability,
      ring: undefined,
    };
  }

  #setFree(replica: C, isFree: boolean): void {
    if (isFree === replica.freeAt >= 0) return;
    const list = this.free[replica.distance] ?? [];
    if (isFree) {
      replica.freeAt = list.length;
      list.push(replica);
      return;
    }
    // The last one takes its place: the order within a list means nothing.
    const last = list.pop();
    if (last !== undefined && last !== replica) {
      list[replica.freeAt] = last;
      last.freeAt = replica.freeAt;
    }
    replica.freeAt = -1;
  }
}
