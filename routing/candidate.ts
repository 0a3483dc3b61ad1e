import type { Timer } from "../core/clock.ts";
import type { ReplicaEntry } from "../core/table.ts";
import type { Choice, ChoiceMember } from "./choice.ts";
import { IN, type Standing } from "./decide/eject.ts";
import type { Distance } from "./decide/locality.ts";
import { hash } from "./decide/ring.ts";
import { HeldModels } from "./held-models.ts";
import { ReplicaClient, type ReplicaClientDeps, type ReplicaClientListener } from "./replica-client.ts";
import { RunTimes } from "./run-times.ts";

/** Who keeps a candidate. */
export interface CandidateOwner {
  /** Something changed that decides whether it may be given a request. */
  onChange(candidate: Candidate): void;
  /** It has one of several models now, or no longer. */
  onModel(candidate: Candidate, modelId: string, isHeld: boolean): void;
  /** It has left the table, and its last request has ended. */
  onRetired(candidate: Candidate): void;
}

/** A replica of the table as one router sees it: the link to it, and what was learned of it. Plain state of its pool's. */
export class Candidate implements ChoiceMember, ReplicaClientListener {
  readonly client: ReplicaClient;
  readonly runTimes = new RunTimes();
  readonly models: HeldModels;
  readonly idHash: number;
  readonly #owner: CandidateOwner;
  /** False once it has left the table. */
  isListed = true;
  /** What it is chosen from. */
  choice: Choice<Candidate>;
  position = 0;
  distance: Distance = 2;
  freeAt = -1;
  countedOngoing = 0;
  isCountedReady = false;
  turnAt = 0;
  weight = 1;
  standing: Standing = IN;
  /** A request that tries whether it is well again is on its way. */
  isProbed = false;
  /** Until its standing changes by itself. */
  timer: Timer | undefined;

  constructor(deps: ReplicaClientDeps, entry: ReplicaEntry, owner: CandidateOwner, choice: Choice<Candidate>) {
    this.#owner = owner;
    this.choice = choice;
    this.idHash = hash(entry.id);
    this.models = new HeldModels({ onModel: (modelId, isHeld) => owner.onModel(this, modelId, isHeld) });
    this.client = new ReplicaClient(deps, entry, this);
  }

  get entry(): ReplicaEntry {
    return this.client.entry;
  }

  /** Connected, heard of, and not left out. */
  get isReady(): boolean {
    return this.standing.kind !== "out" && this.client.isReady;
  }

  get isFree(): boolean {
    const { client } = this;
    if (!this.isListed || !this.isReady || client.ongoing >= client.maxOngoingRequests) return false;
    return this.standing.kind === "in" || !this.isProbed;
  }

  get ongoing(): number {
    return this.client.ongoing;
  }

  get maxOngoingRequests(): number {
    return this.client.maxOngoingRequests;
  }

  get reportedOngoing(): number {
    return this.client.reportedOngoing;
  }

  onModels(modelIds: readonly string[]): void {
    // One that has left the table still says what it has, until its last request has ended.
    if (this.isListed) this.models.tell(modelIds);
  }

  onSlots(): void {
    this.#owner.onChange(this);
  }

  onRetired(): void {
    this.#owner.onRetired(this);
  }
}
