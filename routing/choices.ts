import type { Version } from "../core/ids.ts";
import type { DeploymentEntry } from "../core/table.ts";
import type { Candidate } from "./candidate.ts";
import { Choice } from "./choice.ts";
import type { PickInput } from "./decide/pick.ts";
import { isDividing, type VersionStanding } from "./decide/split.ts";
import type { ModelHolders } from "./model-holders.ts";

/** What a deployment's requests are given a replica from: one choice of all, or one for each version that is listed. */
export class Choices {
  readonly #holders: ModelHolders<Candidate>;
  /** Empty while requests are divided among versions. */
  readonly #undivided: Choice<Candidate>;
  #divided: Map<Version, Choice<Candidate>> | undefined;

  constructor(entry: DeploymentEntry, holders: ModelHolders<Candidate>) {
    this.#holders = holders;
    this.#undivided = new Choice(entry, (modelId) => holders.of(modelId));
  }

  /** Requests at replicas that are listed. */
  get ongoingCount(): number {
    let count = this.#undivided.ongoingCount;
    for (const choice of this.#divided?.values() ?? []) count += choice.ongoingCount;
    return count;
  }

  /** Every choice there is. */
  all(): Iterable<Choice<Candidate>> {
    return this.#divided === undefined ? [this.#undivided] : [this.#undivided, ...this.#divided.values()];
  }

  /** What a request is given a replica from: undefined is any version, while requests are not divided. */
  of(version: Version | undefined): PickInput<Candidate> {
    if (version === undefined) return this.#undivided;
    return this.#divided?.get(version) ?? this.#undivided.only(({ entry }) => entry.version === version);
  }

  /**
   * Whether a version can serve, while requests are divided among versions. It can by a replica that was left out and is
   * tried again, but only the request that tries it is to wait for that one.
   */
  standingOf(version: Version): VersionStanding {
    const choice = this.#divided?.get(version);
    if (choice === undefined) return "none";
    if (choice.free.some((replicas) => replicas.length > 0)) return "ready";
    // Nearly always true of the first.
    return choice.replicas.some(({ client, standing }) => client.isAble && standing.kind === "in") ? "ready" : "listed";
  }

  /** Requests are divided from now on, or are no longer: what is listed has to be listed again. */
  divide({ traffic }: DeploymentEntry): void {
    if (!isDividing(traffic)) this.#divided = undefined;
    else this.#divided ??= new Map();
  }

  /** Where a replica of a version is listed. */
  listing(entry: DeploymentEntry, version: Version): Choice<Candidate> {
    if (this.#divided === undefined) return this.#undivided;
    let choice = this.#divided.get(version);
    if (choice === undefined) {
      const isOfVersion = (candidate: Candidate): boolean => candidate.entry.version === version;
      choice = new Choice(entry, (modelId) => [...this.#holders.of(modelId)].filter(isOfVersion));
      this.#divided.set(version, choice);
    }
    return choice;
  }

  /** These are listed now, each in the choice that it says. */
  list(entry: DeploymentEntry, candidates: readonly Candidate[]): void {
    const members = new Map<Choice<Candidate>, Candidate[]>([[this.#undivided, []]]);
    for (const candidate of candidates) {
      const others = members.get(candidate.choice);
      if (others === undefined) members.set(candidate.choice, [candidate]);
      else others.push(candidate);
    }
    for (const [choice, listed] of members) choice.list(entry, listed);
    for (const [version, choice] of this.#divided ?? []) if (!members.has(choice)) this.#divided?.delete(version);
  }

  /** Nothing is listed any more. */
  clear(): void {
    this.#undivided.replicas = [];
    this.#divided?.clear();
  }
}
