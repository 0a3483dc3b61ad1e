/**
 * The replicas of one deployment as a router uses them: which are free, which comes next, which are left out.
 *
 * Choosing must not look at all of them, so the pool keeps those with a free slot in lists by distance. A list may be a
 * moment behind a link that has just broken; therefore a choice is looked at once more before it is given out, and every
 * link that changes says so. What is learned from answers is compared every RUN_TIME_CHECK_MS, not for every answer.
 */
import type { Clock, Defer } from "../core/clock.ts";
import type { ErrorCode } from "../core/error.ts";
import { LEAST_RUN_TIMES, RUN_TIME_CHECK_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metric.ts";
import type { Network } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { DeploymentEntry, Place, ReplicaEntry } from "../core/table.ts";
import { Candidate, type CandidateOwner } from "./candidate.ts";
import { compareRunTimes, isFarSlower } from "./decide/compare-run-times.ts";
import { blames } from "./decide/eject.ts";
import { distance } from "./decide/locality.ts";
import { pick, type PickDecision, type PickInput, type PickWish } from "./decide/pick.ts";
import { buildRing } from "./decide/ring.ts";
import { weigh } from "./decide/weigh.ts";
import { Ejections } from "./ejections.ts";
import { ModelHolders } from "./model-holders.ts";

/** What pools, and routers, are made of. */
export type PoolDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly network: Network;
  readonly defer: Defer;
  /** Where this process runs; undefined: no replica is nearer than another. */
  readonly place?: Place | undefined;
};

/** What is chosen from; the pool's own, changed in place. */
type Choice = { -readonly [K in keyof PickInput<Candidate>]: PickInput<Candidate>[K] } & {
  readonly free: readonly Candidate[][];
};

/** The replicas of one deployment. */
export class ReplicaPool implements CandidateOwner {
  readonly #deps: PoolDeps;
  readonly #onSlots: (freedCount: number) => void;
  readonly #choice: Choice;
  readonly #ejections: Ejections;
  readonly #retiring = new Set<Candidate>();
  readonly #holders = new ModelHolders<Candidate>();
  /** The turn that was taken last. */
  #turn = 0;
  /** What an answer usually takes; undefined: too little is known. */
  #usualMs: number | undefined;
  #checkAt = 0;
  /** Slots that ended requests gave free and that `onSlots` has not been told of. */
  #freedCount = 0;
  /** Slots of one replica: of the largest, where they differ. */
  maxOngoingRequests = 0;
  /** Milliseconds that hardly any answer takes less than, from sending a request; undefined while too little is known. */
  leastMs: number | undefined;

  /** `onSlots`: something may be free that was not; so many slots became so because requests ended. */
  constructor(deps: PoolDeps, entry: DeploymentEntry, onSlots: (freedCount: number) => void) {
    this.#deps = deps;
    this.#onSlots = onSlots;
    const { routing, availability } = entry;
    const holdersOf = (modelId: string): Iterable<Candidate> => this.#holders.of(modelId);
    const none = { replicas: [], readyCount: 0, ongoingCount: 0, ring: undefined, holdersOf };
    this.#choice = { ...none, free: [[], [], []], routing, availability };
    this.#ejections = new Ejections(deps, entry.id, (candidate) => this.onChange(candidate));
  }

  /** Takes over a table: links that are new are made, those that are gone get nothing new from now on. */
  update(entry: DeploymentEntry, replicas: readonly ReplicaEntry[]): void {
    const choice = this.#choice;
    const known = new Map(choice.replicas.map((candidate) => [candidate.entry.id, candidate]));
    // Tables change far more often than these: a ring of a thousand replicas costs milliseconds.
    const isChanged =
      choice.replicas.length !== replicas.length ||
      choice.replicas.some((each, at) => each.entry.id !== replicas[at]?.id);
    choice.routing = entry.routing;
    choice.availability = entry.availability;
    choice.replicas = replicas.map((replica, position) => {
      const before = known.get(replica.id);
      const isKept = before !== undefined && isSameDoor(before.entry, replica);
      if (isKept) known.delete(replica.id);
      const candidate = isKept ? before : this.#make(replica);
      this.#setFree(candidate, false);
      candidate.client.entry = replica;
      candidate.position = position;
      candidate.distance = this.#distanceOf(replica);
      return candidate;
    });
    for (const candidate of known.values()) this.#retire(candidate);
    if (entry.routing !== "consistentHash") choice.ring = undefined;
    else if (choice.ring === undefined || isChanged) choice.ring = buildRing(replicas.map(({ id }) => id));
    this.maxOngoingRequests = replicas.reduce((most, entry) => Math.max(most, entry.maxOngoingRequests), 0);
    this.#ejections.resize(choice.replicas);
    for (const candidate of choice.replicas) this.#refresh(candidate);
    this.#learn();
  }

  /** Chooses a replica for a request. */
  pick(wish: PickWish): PickDecision<Candidate> {
    for (;;) {
      const decision = pick(this.#choice, wish, this.#deps.random);
      if (decision.kind !== "pick" || decision.replica.isFree) return decision;
      this.#refresh(decision.replica);
    }
  }

  /** A request was sent to a replica. */
  took(candidate: Candidate): void {
    this.#turn = Math.max(this.#turn, candidate.turnAt);
    candidate.turnAt = this.#turn + 1 / candidate.weight;
    if (candidate.standing.kind === "probing") candidate.isProbed = true;
    candidate.countedOngoing += 1;
    this.#choice.ongoingCount += 1;
    this.#refresh(candidate);
  }

  /** A replica answered a request after so long. */
  answered(candidate: Candidate, runMs: number): void {
    if (!candidate.isListed) return;
    const isProbe = candidate.standing.kind === "probing";
    candidate.runTimes.add(runMs, candidate.ongoing + 1);
    if (isProbe && this.#comparesRunTimes && isFarSlower(runMs, this.#usualMs)) this.#ejections.failed(candidate);
    else this.#ejections.succeeded(candidate);
    if (this.#deps.clock.now() >= this.#checkAt) this.#learn();
  }

  /** A request at a replica ended with an error after so long. */
  failed(candidate: Candidate, code: ErrorCode, runMs: number): void {
    if (!candidate.isListed) return;
    const blame = blames({ code, runMs, usualMs: this.#usualMs });
    if (blame === "failed") this.#ejections.failed(candidate);
    else if (blame === "worked") this.#ejections.succeeded(candidate);
    else this.released(candidate);
  }

  /** A request at a replica ended in a way that says nothing about it. */
  released(candidate: Candidate): void {
    if (!candidate.isProbed) return;
    candidate.isProbed = false;
    this.onChange(candidate);
  }

  /** The deployment is gone: every replica gets nothing new, and its link closes when it has nothing left. */
  retire(): void {
    for (const candidate of this.#choice.replicas) this.#retire(candidate);
    this.#choice.replicas = [];
  }

  /** Closes every link at once. */
  close(): void {
    const all = [...this.#choice.replicas, ...this.#retiring];
    this.retire();
    for (const { client } of all) client.close();
  }

  onChange(candidate: Candidate): void {
    if (!candidate.isListed) return;
    if (candidate.client.isSilent) this.#ejections.consider(candidate);
    this.#refresh(candidate);
    const freedCount = this.#freedCount;
    this.#freedCount = 0;
    this.#onSlots(freedCount);
  }

  onModel(candidate: Candidate, modelId: string, isHeld: boolean): void {
    this.#holders.set(modelId, candidate, isHeld);
  }

  onRetired(candidate: Candidate): void {
    this.#retiring.delete(candidate);
  }

  #make(entry: ReplicaEntry): Candidate {
    const candidate = new Candidate(this.#deps, entry, this);
    // Somewhere within its first turn, so that routers do not all begin with the same replica.
    candidate.turnAt = this.#turn + this.#deps.random.next();
    return candidate;
  }

  #retire(candidate: Candidate): void {
    candidate.isListed = false;
    candidate.models.tell([]);
    this.#refresh(candidate);
    this.#ejections.forget(candidate);
    this.#retiring.add(candidate);
    candidate.client.retire();
  }

  /** Brings up to date what is counted and listed of a replica. */
  #refresh(candidate: Candidate): void {
    const choice = this.#choice;
    const { isListed } = candidate;
    const ongoing = isListed ? candidate.ongoing : 0;
    const freedCount = candidate.countedOngoing - ongoing;
    candidate.countedOngoing = ongoing;
    choice.ongoingCount -= freedCount;
    if (isListed) this.#freedCount += freedCount;
    const isReady = isListed && candidate.isReady;
    if (isReady !== candidate.isCountedReady) choice.readyCount += isReady ? 1 : -1;
    candidate.isCountedReady = isReady;
    this.#setFree(candidate, candidate.isFree);
  }

  #setFree(candidate: Candidate, isFree: boolean): void {
    if (isFree === candidate.freeAt >= 0) return;
    const list = this.#choice.free[candidate.distance] ?? [];
    if (isFree) {
      candidate.freeAt = list.length;
      list.push(candidate);
      return;
    }
    // The last one takes its place: the order within a list means nothing.
    const last = list.pop();
    if (last !== undefined && last !== candidate) {
      list[candidate.freeAt] = last;
      last.freeAt = candidate.freeAt;
    }
    candidate.freeAt = -1;
  }

  /** Replicas take turns wherever they are. */
  #distanceOf({ node, zone }: ReplicaEntry): Candidate["distance"] {
    const { routing } = this.#choice;
    return routing === "roundRobin" || routing === "weighted" ? 2 : distance(this.#deps.place, { node, zone });
  }

  /** With a key some replicas rightly get harder work than others, and weights allow for slow ones already. */
  get #comparesRunTimes(): boolean {
    const { routing } = this.#choice;
    return routing === "leastOngoing" || routing === "roundRobin";
  }

  #learn(): void {
    const { replicas, routing } = this.#choice;
    this.#checkAt = this.#deps.clock.now() + RUN_TIME_CHECK_MS;
    const summaries = replicas.map(({ runTimes }) => runTimes.summary());
    const { slow, usualMs } = compareRunTimes(summaries);
    this.#usualMs = usualMs;
    const known = summaries.filter(({ count }) => count >= LEAST_RUN_TIMES);
    this.leastMs = known.length === 0 ? undefined : Math.min(...known.map(({ lowMs }) => lowMs));
    if (routing === "weighted") this.#weigh(summaries);
    if (!this.#comparesRunTimes) return;
    for (const at of slow) {
      const candidate = replicas[at];
      if (candidate !== undefined) this.#ejections.consider(candidate, true);
    }
  }

  #weigh(summaries: readonly { readonly count: number; readonly meanMs: number }[]): void {
    const { replicas } = this.#choice;
    const inputs = replicas.map(({ entry, maxOngoingRequests }, at) => ({
      count: summaries[at]?.count ?? 0,
      meanMs: summaries[at]?.meanMs ?? 0,
      maxOngoingRequests,
      labelWeight: entry.weight,
    }));
    const { weights } = weigh(inputs);
    for (const [at, candidate] of replicas.entries()) candidate.weight = weights[at] ?? 1;
  }
}

/** Whether a connection to the one is a connection to the other: a restarted process has another secret. */
function isSameDoor(one: ReplicaEntry, other: ReplicaEntry): boolean {
  const isSameAddress = one.address.host === other.address.host && one.address.port === other.address.port;
  return isSameAddress && one.callSecret === other.callSecret;
}
