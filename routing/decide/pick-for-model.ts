/**
 * Which replica gets a request for one of several models: loading one takes as long as hundreds of runs, so the request
 * goes where the model is, or is being loaded.
 *
 * - Held: of the replicas that have it and are not loaded beyond their share, the one that comes first in the model's own
 *   order (highest random weight: Thaler and Ravishankar, 1998); else the least busy of them. The order is the same in
 *   every router, and a second copy, made while the model was hot, is asked for no more when it is not and makes room.
 * - Spread: where those that have it have no free slot, or half of their slots are taken and another replica is clearly
 *   less busy, the least busy one gets it too.
 * - Placed: where nobody has it, the replica with the fewest models that is not loaded beyond its share; of equal ones the
 *   first in the model's own order, so that routers which know nothing of one another load it once.
 *
 * Worked in simulation: 20 models by Zipf's law on 3 replicas with room for 5 each, and loads that take a fifth of the
 * room's time. 0.97 of the requests that one store with room for 15 would find loaded find it so.
 */
import { isLoaded, loadBound } from "./load-bound.ts";
import { hash, mix } from "./ring.ts";

/** What is looked at of a replica. */
export type ModelCandidate = {
  /** It may be given a request now. */
  readonly isFree: boolean;
  /** Requests this router has sent it and that have not ended: exact. */
  readonly ongoing: number;
  readonly maxOngoingRequests: number;
  /** A hash of its id: decides between replicas that are equal, so that all routers agree. */
  readonly idHash: number;
  /** Which of several models it has, or is about to have. */
  readonly models: { readonly count: number; has(modelId: string): boolean };
};

/** All that the choice depends on. */
export type ModelInput<C extends ModelCandidate> = {
  /** Replicas with a free slot, in any order: on the same node, in the same zone, anywhere. */
  readonly free: readonly (readonly C[])[];
  /** Replicas that have the model, free or not. */
  readonly holdersOf: (modelId: string) => Iterable<C>;
  /** How many are connected and not left out, free or not. */
  readonly readyCount: number;
  /** Requests that all of them together have of this router. */
  readonly ongoingCount: number;
};

/** A replica and why it is this one. */
export type ModelChoice<C> = {
  readonly replica: C;
  readonly reason: "modelHeld" | "modelSpread" | "modelPlaced";
};

/** A model may be hot once so large a part of its replica's slots is taken: where calls are batched, one batch. */
const HOT_SHARE = 0.5;
/** Another replica is clearly less busy with at most this part of the ongoing requests. */
const CLEARLY_LESS = 0.5;

/**
 * Chooses among the replicas with a free slot; undefined: there is none. Looks at those that have the model, and at all
 * only where they are hot or there are none.
 */
export function pickForModel<C extends ModelCandidate>(
  input: ModelInput<C>,
  modelId: string,
): ModelChoice<C> | undefined {
  const { holdersOf, ongoingCount, readyCount } = input;
  const modelHash = hash(modelId);
  const bound = loadBound(ongoingCount, readyCount);
  const first = new Best<C>(modelHash);
  const leastBusy = new Best<C>(modelHash);
  let isHeld = false;
  for (const replica of holdersOf(modelId)) {
    isHeld = true;
    if (!replica.isFree) continue;
    if (!isLoaded(replica, bound)) first.offer(replica, 0);
    leastBusy.offer(replica, replica.ongoing);
  }
  const holder = first.replica ?? leastBusy.replica;
  if (holder !== undefined && !isBusy(holder)) return { replica: holder, reason: "modelHeld" };
  const other = isHeld ? leastBusyOther(input, modelId, modelHash) : fewestModels(input, modelHash, bound);
  if (holder !== undefined && (other === undefined || other.ongoing > CLEARLY_LESS * holder.ongoing)) {
    return { replica: holder, reason: "modelHeld" };
  }
  return other === undefined ? undefined : { replica: other, reason: isHeld ? "modelSpread" : "modelPlaced" };
}

function isBusy({ ongoing, maxOngoingRequests }: ModelCandidate): boolean {
  return ongoing >= HOT_SHARE * maxOngoingRequests;
}

/** Of those that do not have the model. */
function leastBusyOther<C extends ModelCandidate>(
  { free }: ModelInput<C>,
  modelId: string,
  modelHash: number,
): C | undefined {
  const best = new Best<C>(modelHash);
  for (const replicas of free) {
    for (const replica of replicas) if (!replica.models.has(modelId)) best.offer(replica, replica.ongoing);
  }
  return best.replica;
}

/** Where a model that nobody has is best loaded. */
function fewestModels<C extends ModelCandidate>(
  { free }: ModelInput<C>,
  modelHash: number,
  bound: number,
): C | undefined {
  const best = new Best<C>(modelHash);
  for (const replicas of free) {
    for (const replica of replicas) best.offer(replica, isLoaded(replica, bound) ? Infinity : replica.models.count);
  }
  return best.replica;
}

/** Of what was offered the one with the lowest rank, and of those with the same the first in the model's own order. */
class Best<C extends ModelCandidate> {
  readonly #modelHash: number;
  replica: C | undefined;
  #rank = 0;

  constructor(modelHash: number) {
    this.#modelHash = modelHash;
  }

  offer(replica: C, rank: number): void {
    const before = this.replica;
    if (before !== undefined) {
      if (rank > this.#rank || (rank === this.#rank && this.#order(replica) < this.#order(before))) return;
    }
    this.replica = replica;
    this.#rank = rank;
  }

  #order({ idHash }: C): number {
    return mix(this.#modelHash ^ idHash);
  }
}
