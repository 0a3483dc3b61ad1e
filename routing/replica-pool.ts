/**
 * The replicas of one deployment as a router uses them: which are free, which comes next, which are left out.
 *
 * Those with a free slot are kept in lists (`choice.ts`), which may be a moment behind a link that has just broken;
 * therefore a choice is looked at once more before it is given out, and every link that changes says so. What is learned
 * from answers is compared every RUN_TIME_CHECK_MS, not for every answer.
 *
 * While a table divides requests among versions, replicas are chosen from and compared only with those of their version.
 */
import type { Clock, Defer } from "../core/clock.ts";
import type { ErrorCode } from "../core/error.ts";
import type { Version } from "../core/ids.ts";
import { LEAST_RUN_TIMES, RUN_TIME_CHECK_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metric.ts";
import type { Network } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { DeploymentEntry, Place, ReplicaEntry } from "../core/table.ts";
import { Candidate, type CandidateOwner } from "./candidate.ts";
import type { Choice } from "./choice.ts";
import { Choices } from "./choices.ts";
import { compareRunTimes, isFarSlower } from "./decide/compare-run-times.ts";
import { blames } from "./decide/eject.ts";
import { distance, type Distance } from "./decide/locality.ts";
import { pick, type PickDecision, type PickWish } from "./decide/pick.ts";
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

/** The replicas of one deployment. */
export class ReplicaPool implements CandidateOwner {
  readonly #deps: PoolDeps;
  readonly #onSlots: () => void;
  #listed: readonly Candidate[] = [];
  readonly #ejections: Ejections;
  readonly #retiring = new Set<Candidate>();
  readonly #holders = new ModelHolders<Candidate>();
  readonly choices: Choices;
  /** The turn that was taken last. */
  #turn = 0;
  #checkAt = 0;
  #isUpdating = false;
  /** Slots of one replica: of the largest, where they differ. */
  maxOngoingRequests = 0;
  /** Milliseconds that hardly any answer takes less than, from sending a request; undefined while too little is known. */
  leastMs: number | undefined;

  /** `onSlots`: something may be free that was not. */
  constructor(deps: PoolDeps, entry: DeploymentEntry, onSlots: () => void) {
    this.#deps = deps;
    this.#onSlots = onSlots;
    this.choices = new Choices(entry, this.#holders);
    this.#ejections = new Ejections(deps, entry.id, (candidate) => this.onChange(candidate));
  }

  /** Takes over a table: links that are new are made, those that are gone get nothing new from now on. */
  update(entry: DeploymentEntry, replicas: readonly ReplicaEntry[]): void {
    this.#isUpdating = true;
    try {
      const known = new Map(this.#listed.map((candidate) => [candidate.entry.id, candidate]));
      this.choices.divide(entry);
      this.#listed = replicas.map((replica) => {
        const before = known.get(replica.id);
        const isKept = before !== undefined && isSameDoor(before.entry, replica);
        if (isKept) known.delete(replica.id);
        const choice = this.choices.listing(entry, replica.version);
        const candidate = isKept ? before : this.#make(replica, choice);
        candidate.choice.leave(candidate);
        candidate.choice = choice;
        candidate.client.entry = replica;
        candidate.distance = distanceOf(replica, entry, this.#deps.place);
        return candidate;
      });
      for (const candidate of known.values()) this.#retire(candidate);
      this.choices.list(entry, this.#listed);
      this.maxOngoingRequests = replicas.reduce((most, each) => Math.max(most, each.maxOngoingRequests), 0);
      this.#ejections.resize(this.#listed);
      for (const candidate of this.#listed) candidate.choice.refresh(candidate);
      this.#learn();
    } finally {
      this.#isUpdating = false;
    }
  }

  /** Requests at replicas that are listed. */
  get ongoingCount(): number {
    return this.choices.ongoingCount;
  }

  /** Whether there is a replica at all, free or not. */
  get hasReplicas(): boolean {
    return this.#listed.length > 0;
  }

  /** Chooses a replica for a request: of this version; while requests are not divided, undefined is any. */
  pick(wish: PickWish, version?: Version): PickDecision<Candidate> {
    for (;;) {
      const decision = pick(this.choices.of(version), wish, this.#deps.random);
      if (decision.kind !== "pick" || decision.replica.isFree) return decision;
      decision.replica.choice.refresh(decision.replica);
    }
  }

  /** A request was sent to a replica. */
  took(candidate: Candidate): void {
    this.#turn = Math.max(this.#turn, candidate.turnAt);
    candidate.turnAt = this.#turn + 1 / candidate.weight;
    if (candidate.standing.kind === "probing") candidate.isProbed = true;
    candidate.countedOngoing += 1;
    candidate.choice.ongoingCount += 1;
    candidate.choice.refresh(candidate);
  }

  /** A replica answered a request after so long. */
  answered(candidate: Candidate, runMs: number): void {
    if (!candidate.isListed) return;
    const isProbe = candidate.standing.kind === "probing";
    candidate.runTimes.add(runMs, candidate.ongoing + 1);
    const { choice } = candidate;
    if (isProbe && comparesRunTimes(choice) && isFarSlower(runMs, choice.usualMs)) this.#ejections.failed(candidate);
    else this.#ejections.succeeded(candidate);
    if (this.#deps.clock.now() >= this.#checkAt) this.#learn();
  }

  /** A request at a replica ended with an error after so long. */
  failed(candidate: Candidate, code: ErrorCode, runMs: number): void {
    if (!candidate.isListed) return;
    const blame = blames({ code, runMs, usualMs: candidate.choice.usualMs });
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
    for (const candidate of this.#listed) this.#retire(candidate);
    this.#listed = [];
    this.choices.clear();
  }

  /** Closes every link at once. */
  close(): void {
    const all = [...this.#listed, ...this.#retiring];
    this.retire();
    for (const { client } of all) client.close();
  }

  onChange(candidate: Candidate): void {
    if (!candidate.isListed) return;
    if (candidate.client.isSilent) this.#ejections.consider(candidate);
    candidate.choice.refresh(candidate);
    // Whoever updates looks at everything that waits afterwards.
    if (!this.#isUpdating) this.#onSlots();
  }

  onModel(candidate: Candidate, modelId: string, isHeld: boolean): void {
    this.#holders.set(modelId, candidate, isHeld);
  }

  onRetired(candidate: Candidate): void {
    this.#retiring.delete(candidate);
  }

  #make(entry: ReplicaEntry, choice: Choice<Candidate>): Candidate {
    const candidate = new Candidate(this.#deps, entry, this, choice);
    // Somewhere within its first turn, so that routers do not all begin with the same replica.
    candidate.turnAt = this.#turn + this.#deps.random.next();
    return candidate;
  }

  #retire(candidate: Candidate): void {
    candidate.isListed = false;
    candidate.models.tell([]);
    candidate.choice.refresh(candidate);
    this.#ejections.forget(candidate);
    this.#retiring.add(candidate);
    candidate.client.retire();
  }

  #learn(): void {
    this.#checkAt = this.#deps.clock.now() + RUN_TIME_CHECK_MS;
    this.leastMs = undefined;
    for (const choice of this.choices.all()) this.#learnOf(choice);
  }

  #learnOf(choice: Choice<Candidate>): void {
    const { replicas, routing } = choice;
    const summaries = replicas.map(({ runTimes }) => runTimes.summary());
    const { slow, usualMs } = compareRunTimes(summaries);
    choice.usualMs = usualMs;
    for (const { count, lowMs } of summaries) {
      if (count >= LEAST_RUN_TIMES) this.leastMs = Math.min(lowMs, this.leastMs ?? Infinity);
    }
    if (routing === "weighted") weighAll(replicas, summaries);
    if (!comparesRunTimes(choice)) return;
    for (const at of slow) {
      const candidate = replicas[at];
      if (candidate !== undefined) this.#ejections.consider(candidate, true);
    }
  }
}

/** Replicas take turns wherever they are. */
function distanceOf({ node, zone }: ReplicaEntry, { routing }: DeploymentEntry, place: Place | undefined): Distance {
  return routing === "roundRobin" || routing === "weighted" ? 2 : distance(place, { node, zone });
}

/** With a key some replicas rightly get harder work than others, and weights allow for slow ones already. */
function comparesRunTimes({ routing }: Choice<Candidate>): boolean {
  return routing === "leastOngoing" || routing === "roundRobin";
}

function weighAll(
  replicas: readonly Candidate[],
  summaries: readonly { readonly count: number; readonly meanMs: number }[],
): void {
  const inputs = replicas.map(({ entry, maxOngoingRequests }, at) => ({
    count: summaries[at]?.count ?? 0,
    meanMs: summaries[at]?.meanMs ?? 0,
    maxOngoingRequests,
    labelWeight: entry.weight,
  }));
  const { weights } = weigh(inputs);
  for (const [at, candidate] of replicas.entries()) candidate.weight = weights[at] ?? 1;
}

/** Whether a connection to the one is a connection to the other: a restarted process has another secret. */
function isSameDoor(one: ReplicaEntry, other: ReplicaEntry): boolean {
  const isSameAddress = one.address.host === other.address.host && one.address.port === other.address.port;
  return isSameAddress && one.callSecret === other.callSecret;
}
