/**
 * The requests that wait in a router. Mostly they wait in one lane, for any replica. While a table divides them among
 * versions there is a lane for each version, so that nothing waits behind a request for a version that has no free slot;
 * and requests that ask for a version themselves have a lane of their own at any time.
 *
 * A request's version is chosen once, when it comes; it keeps its lane when it is sent again. While that version has no
 * replica that could serve, others stand in for it. When a table no longer names the version, what waits for it is
 * divided anew, each in its place in the order of arrival.
 *
 * All lanes together hold no more than `maxQueuedRequests`. A newcomer that finds them full takes the place of the newest
 * of the longest lane, if that is longer than its own: a version that is stuck cannot shut out the others.
 */
import type { ServeError } from "../core/error.ts";
import type { Version } from "../core/ids.ts";
import type { Gauge } from "../core/metric.ts";
import type { Random } from "../core/random.ts";
import type { DeploymentEntry } from "../core/table.ts";
import type { QueueEntry } from "./bounded-queue.ts";
import { admit, retryAfter, type AdmitDecision } from "./decide/admit.ts";
import { buildSplit, isNamed, nextPoint, split, standIn, type Split, type VersionStanding } from "./decide/split.ts";
import { Lane } from "./lane.ts";
import type { RoutedRequest, RouterRequest } from "./routed-request.ts";
import { queueFullError } from "./routing-errors.ts";

/** What lanes ask of the replicas. */
export type LanesDeps = {
  readonly random: Random;
  readonly standingOf: (version: Version) => VersionStanding;
  /** Shows how many wait. */
  readonly queuedRequests: Gauge;
};

/** How a request came to wait, or not. */
export type Admission = {
  readonly decision: AdmitDecision;
  readonly aheadCount: number;
  /** It had to leave for the newcomer. */
  readonly victim: RoutedRequest | undefined;
};

type RequestLane = Lane<RoutedRequest>;

/** Lanes of requests pinned to versions that may be empty; beyond it they are cleared away when another comes. */
const MOST_EMPTY_PINNED = 8;
const NO_HEADERS: readonly string[] = [];

/** All that waits in one router. */
export class Lanes {
  readonly #deps: LanesDeps;
  readonly #any: RequestLane;
  readonly #shared = new Map<Version, RequestLane>();
  readonly #pinned = new Map<Version, RequestLane>();
  /** All there are; only one, nearly always. */
  #all: readonly RequestLane[];
  #entry: DeploymentEntry;
  #split: Split | undefined;
  /** Where the next request without a key stands; undefined before the first, which stands anywhere. */
  #point: number | undefined;

  constructor(deps: LanesDeps, entry: DeploymentEntry) {
    this.#deps = deps;
    this.#entry = entry;
    this.#any = new Lane(entry.maxQueuedRequests);
    this.#all = [this.#any];
  }

  /** Whether requests are divided among versions. */
  get isDivided(): boolean {
    return this.#split !== undefined;
  }

  /** Requests that wait. */
  get size(): number {
    if (this.#all.length === 1) return this.#any.queue.size;
    return this.#all.reduce((sum, { queue }) => sum + queue.size, 0);
  }

  /** Takes over a table; the replicas are to be those of the same one already. */
  update(entry: DeploymentEntry): void {
    this.#entry = entry;
    this.#split = buildSplit(entry.traffic);
    for (const { queue } of this.#all) queue.limit = entry.maxQueuedRequests;
    if (this.#split !== undefined || this.#all.length > 1) this.#settle(this.#split);
  }

  /** Where a request belongs that comes now. */
  of(request: RouterRequest): RequestLane {
    const { version } = request;
    if (version === undefined) return this.#split === undefined ? this.#any : this.#divide(request, this.#split);
    if (this.#pinned.size >= MOST_EMPTY_PINNED && !this.#pinned.has(version)) this.#clearPinned();
    return this.#laneIn(this.#pinned, version, true);
  }

  /** Which version's replicas serve a lane now; undefined: all do. */
  servedBy({ version, isPinned }: RequestLane): Version | undefined {
    if (version === undefined || isPinned || this.#split === undefined) return version;
    return standIn(this.#split, version, this.#deps.standingOf);
  }

  /** Gives a request, which is in its lane, its place in the order of arrival. */
  arrive(routed: RoutedRequest): void {
    routed.place = this.#any.queue.arrive(routed, routed.request.priority);
  }

  /** Lets a request wait in its lane, if there is room and hope; `leastMs`: what hardly any answer takes less than. */
  enter(routed: RoutedRequest, now: number, leastMs: number | undefined): Admission | undefined {
    const { lane, place, request, deadlineAt } = routed;
    if (lane === undefined || place === undefined) return undefined;
    const { queue } = lane;
    const queuedCount = this.size;
    const maxQueuedRequests = this.#entry.maxQueuedRequests;
    const isFull = queuedCount >= maxQueuedRequests;
    const longer = isFull && this.#all.length > 1 ? longerThan(this.#all, lane, place.level) : undefined;
    const aheadCount = queue.aheadOf(request.priority);
    const decision = admit({
      queuedCount,
      maxQueuedRequests,
      aheadCount,
      hasBelow: longer !== undefined || queue.hasBelow(request.priority),
      timeLeftMs: deadlineAt - now,
      leastMs,
      drain: lane.drain.measure(now),
    });
    let victim: QueueEntry<RoutedRequest> | undefined;
    if (decision.kind === "pushOut") {
      victim = queue.pushOut(place) ?? longer?.takeNewest();
      queue.putBack(place);
    } else if (decision.kind === "wait") queue.putBack(place);
    return { decision, aheadCount, victim: victim?.value };
  }

  /** Puts one that had left its lane back to its place. */
  putBack(routed: RoutedRequest): void {
    const { lane, place } = routed;
    if (place === undefined) return;
    const isGone = lane === undefined || !this.#all.includes(lane) || (lane === this.#any && this.isDivided);
    routed.lane = isGone ? this.of(routed.request) : lane;
    routed.lane.queue.putBack(place);
  }

  /** Takes one out, wherever it waits. False when it does not wait. */
  remove({ lane, place }: RoutedRequest): boolean {
    return place !== undefined && lane !== undefined && lane.queue.remove(place);
  }

  /** Takes the next one, whatever it waits for. */
  shift(): RoutedRequest | undefined {
    for (const { queue } of this.#all) if (queue.size > 0) return queue.shift()?.value;
    return undefined;
  }

  /** The queues are about to be served. */
  unblock(): void {
    for (const lane of this.#all) lane.isBlocked = false;
  }

  /** The lane whose turn it is, of those that are not blocked. */
  next(): RequestLane | undefined {
    const any = this.#any;
    if (this.#all.length === 1) return any.isBlocked || any.queue.size === 0 ? undefined : any;
    let next: RequestLane | undefined;
    let first: QueueEntry<RoutedRequest> | undefined;
    for (const lane of this.#all) {
      const place = lane.isBlocked ? undefined : lane.queue.first;
      if (place === undefined || (first !== undefined && isBefore(first, place))) continue;
      first = place;
      next = lane;
    }
    return next;
  }

  /**
   * A request at a replica is over, and its slot free. It counts for the lane that it was in, whichever version served that:
   * so fast is that lane served. One whose lane is gone counts for none.
   */
  ended({ lane }: RoutedRequest, now: number): void {
    if (this.#all.length === 1) this.#any.drain.ended(now);
    else lane?.drain.ended(now);
  }

  /** Something has come or gone. */
  note(now: number): void {
    this.#deps.queuedRequests.set(this.size);
    for (const { queue, drain } of this.#all) drain.waiting(queue.size > 0, now);
  }

  /** What one is told for whom there is no room in a lane. */
  fullError(lane: RequestLane | undefined, now: number): ServeError {
    const { queue, drain } = lane ?? this.#any;
    return queueFullError(this.#entry, this.size, retryAfter(queue.size, drain.measure(now)));
  }

  #divide(request: RouterRequest, given: Split): RequestLane {
    const { key, head } = request;
    const headers = head.kind === "call" ? NO_HEADERS : head.headers;
    const point = nextPoint(this.#point ?? Math.floor(this.#deps.random.next() * 2 ** 32));
    const { version, reason } = split(given, { key, headers }, point);
    if (reason === "share") this.#point = point;
    return this.#laneIn(this.#shared, version, false);
  }

  #laneIn(lanes: Map<Version, RequestLane>, version: Version, isPinned: boolean): RequestLane {
    let lane = lanes.get(version);
    if (lane === undefined) {
      lane = new Lane(this.#entry.maxQueuedRequests, version, isPinned);
      lanes.set(version, lane);
      this.#all = [...this.#all, lane];
    }
    return lane;
  }

  /** What waits where it no longer belongs goes where it does. */
  #settle(given: Split | undefined): void {
    const left: RequestLane[] = given === undefined ? [] : [this.#any];
    for (const [version, lane] of this.#shared) {
      if (given !== undefined && isNamed(given, version)) continue;
      this.#shared.delete(version);
      left.push(lane);
    }
    this.#clearPinned();
    for (const { queue } of left) {
      for (let place = queue.shift(); place !== undefined; place = queue.shift()) {
        const { value } = place;
        value.lane = this.of(value.request);
        value.lane.queue.putBack(place);
      }
    }
  }

  #clearPinned(): void {
    for (const [version, { queue }] of this.#pinned) if (queue.size === 0) this.#pinned.delete(version);
    this.#all = [this.#any, ...this.#shared.values(), ...this.#pinned.values()];
  }
}

/** The queue of the longest lane, if that holds no less than this one afterwards, and its newest is not more urgent. */
function longerThan(
  lanes: readonly RequestLane[],
  { queue }: RequestLane,
  level: number,
): RequestLane["queue"] | undefined {
  let longest = queue;
  for (const lane of lanes) if (lane.queue.size > longest.size) longest = lane.queue;
  const { newest } = longest;
  return longest.size > queue.size + 1 && newest !== undefined && newest.level <= level ? longest : undefined;
}

function isBefore(one: QueueEntry<unknown>, other: QueueEntry<unknown>): boolean {
  return one.level === other.level ? one.arrival < other.arrival : one.level > other.level;
}
