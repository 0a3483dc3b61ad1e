/**
 * A deployment's router: takes requests, and hands each to a replica with a free slot.
 *
 * A request waits here, not at a replica: it is bound to one only when that one can begin at once, so nothing is ever
 * stuck behind a slow replica. What waits is bounded; beyond it a request is refused at once, and so is one that would
 * wait until after its deadline. Whenever a slot may have become free (an answer, a new link, another table) the queue is
 * served: higher priorities first, and within one in order of arrival. A request that a replica refused goes back to the
 * place in the queue that its arrival gave it.
 *
 * Each request ends exactly once: with its answer, its error, its deadline or its cancellation.
 */
import { CancelledError, ServeError } from "../core/error.ts";
import type { Version } from "../core/ids.ts";
import type { DeploymentEntry, ReplicaEntry } from "../core/table.ts";
import { isStream } from "../proto/body.ts";
import type { Answer } from "../proto/exchange.ts";
import type { Candidate } from "./candidate.ts";
import type { DeadlineSweep } from "./deadline-sweep.ts";
import { retry, type RetryDecision } from "./decide/retry.ts";
import type { Refusal } from "./decide/degrade.ts";
import type { VersionStanding } from "./decide/split.ts";
import { Fallback, type Peers } from "./fallback.ts";
import type { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import type { LoadMeter, MeteredRouter } from "./load-meter.ts";
import { ReplicaPool, type PoolDeps } from "./replica-pool.ts";
import { RetryBudget } from "./retry-budget.ts";
import { RoutedRequest, type RoutedAnswer, type RoutedRequestOwner, type RouterRequest } from "./routed-request.ts";
import { RouterMetrics } from "./router-metrics.ts";
import { VersionOutcomes } from "./version-outcomes.ts";
import { deadlineError, removedError, tooLateError, unavailableError } from "./routing-errors.ts";

/** What routers are made of. */
export type RouterDeps = PoolDeps;

/** What the routers of a process have in common. */
export type SharedByRouters = {
  readonly deadlines: DeadlineSweep;
  /** undefined: nobody asks for the load. */
  readonly meter: LoadMeter | undefined;
  readonly peers: Peers;
};

const SWITCHING_PROTOCOLS = 101;

/** The router of one deployment. */
export class Router implements RoutedRequestOwner {
  readonly #deps: RouterDeps;
  readonly #deadlines: DeadlineSweep;
  readonly #meter: LoadMeter | undefined;
  readonly #pool: ReplicaPool;
  readonly #lanes: Lanes;
  readonly #budget = new RetryBudget();
  readonly #metrics: RouterMetrics;
  readonly #fallback: Fallback;
  #entry: DeploymentEntry;
  /** Counted while requests are divided among versions. */
  #outcomes: VersionOutcomes | undefined;
  #arrivedCount = 0;
  #answeredCount = 0;
  #isRemoved = false;
  #isClosed = false;

  constructor(deps: RouterDeps, { deadlines, meter, peers }: SharedByRouters, entry: DeploymentEntry) {
    this.#deps = deps;
    this.#deadlines = deadlines;
    this.#meter = meter;
    this.#entry = entry;
    this.#metrics = new RouterMetrics(deps.metrics, entry.id);
    this.#fallback = new Fallback(deps, peers);
    this.#pool = new ReplicaPool(deps, entry, () => {
      if (this.#lanes.size > 0) this.#serveQueue();
    });
    const standingOf = (version: Version): VersionStanding => this.#pool.choices.standingOf(version);
    this.#lanes = new Lanes({ random: deps.random, standingOf, queuedRequests: this.#metrics.queuedRequests }, entry);
  }

  /** What it tells of its load. */
  readonly metered: MeteredRouter = {
    levels: () => ({ queued: this.#lanes.size, ongoing: this.#pool.ongoingCount }),
    takeCounts: () => {
      const counts = { arrived: this.#arrivedCount, answered: this.#answeredCount };
      this.#arrivedCount = 0;
      this.#answeredCount = 0;
      return counts;
    },
    takeVersions: () => this.#outcomes?.take(this.#deps.clock.now()) ?? [],
  };

  /** Takes over a table. */
  update(entry: DeploymentEntry, replicas: readonly ReplicaEntry[]): void {
    this.#entry = entry;
    this.#pool.update(entry, replicas);
    this.#lanes.update(entry);
    this.#outcomes = this.#lanes.isDivided ? (this.#outcomes ?? new VersionOutcomes()) : undefined;
    this.#serveQueue();
  }

  /** Sends a request to a replica, now or when one has a free slot. Rejects with a ServeError. */
  send(request: RouterRequest): Promise<RoutedAnswer> {
    return new Promise<RoutedAnswer>((resolve, reject) => {
      const now = this.#deps.clock.now();
      const routed = new RoutedRequest(this, request, now, { resolve, reject });
      if (routed.hasEnded) return;
      if (now >= routed.deadlineAt) {
        routed.reject(deadlineError(this.#entry, request.version));
        return;
      }
      this.#budget.request(now);
      this.#arrivedCount += 1;
      this.#meter?.arrived();
      const lane = this.#lanes.of(request);
      routed.lane = lane;
      // Where nothing runs at all, whoever waits need not hold up those who may go elsewhere.
      const isBehind = lane.queue.size > 0 && this.#pool.hasReplicas;
      const decision = isBehind ? undefined : this.#pool.pick(request, this.#lanes.servedBy(lane));
      if (decision?.kind === "fail") {
        this.#refuse(routed, "unavailable", () => unavailableError(this.#entry, request.version));
        return;
      }
      if (decision?.reason === "starting" && this.#fallBack(routed, "starting")) return;
      this.#lanes.arrive(routed);
      this.#deadlines.add(routed);
      if (decision?.kind === "pick") this.#dispatch(routed, decision.replica, now);
      else this.#wait(routed, now);
    });
  }

  /** The deployment is gone from the table: what waits fails, what is ongoing finishes or, to be sent again, fails. */
  remove(): void {
    this.#isRemoved = true;
    this.#serveQueue();
    this.#pool.retire();
  }

  /** Closes every link; what waits or is ongoing fails. */
  close(): void {
    this.#isClosed = true;
    this.#rejectQueued(() => new CancelledError(`the router of ${this.#entry.id} was closed`));
    this.#pool.close();
  }

  onAnswer(routed: RoutedRequest, answer: Answer): void {
    const { candidate, deadlineAt, sentAt } = routed;
    const now = this.#deps.clock.now();
    routed.left();
    this.#answeredCount += 1;
    const version = versionOf(routed);
    // A WebSocket lasts as long as its two ends want; any other answer is to be there by the deadline, to its last byte.
    if (!isStream(answer.body) || answer.status === SWITCHING_PROTOCOLS) this.#deadlines.remove(routed);
    if (!isStream(answer.body)) this.#lanes.ended(routed, now);
    if (candidate !== undefined) this.#pool.answered(candidate, now - sentAt);
    // Deadlines are looked at every few milliseconds; whoever said how long he waits is not given what comes after.
    if (now < deadlineAt) {
      this.#outcomes?.answered(routed, answer.status, now);
      routed.resolve({ answer, version });
      return;
    }
    const error = deadlineError(this.#entry, routed.request.version);
    this.#outcomes?.failed(routed, error, now);
    if (isStream(answer.body)) answer.body.cancel(error);
    this.#end(routed, error);
  }

  onStreamEnd(routed: RoutedRequest, error: ServeError | undefined): void {
    this.#deadlines.remove(routed);
    if (isDone(error)) this.#lanes.ended(routed, this.#deps.clock.now());
    if (error !== undefined) this.#outcomes?.brokeOff(versionOf(routed), error);
  }

  onError(routed: RoutedRequest, error: ServeError, wasHanded: boolean): void {
    routed.left();
    if (routed.hasEnded) return;
    if (error.code === "handler_failed" || error.code === "model_failed") this.#answeredCount += 1;
    const { candidate } = routed;
    routed.candidate = undefined;
    const now = this.#deps.clock.now();
    const decision = this.#retry(routed, error, wasHanded, now);
    const isAgain = decision.kind === "again";
    if (isAgain) {
      this.#outcomes?.left(routed);
      // A refusal is not an attempt: the replica took nothing.
      if (decision.reason === "refused") routed.attempts -= 1;
      else this.#budget.retry(now);
      this.#metrics.retried(error.code);
      this.#lanes.putBack(routed);
      this.#lanes.note(now);
    } else {
      const isLate = decision.reason === "deadline";
      const last = isLate ? deadlineError(this.#entry, routed.request.version, error) : error;
      this.#outcomes?.failed(routed, last, now);
      this.#end(routed, last);
    }
    if (!isAgain && isDone(error)) this.#lanes.ended(routed, now);
    if (candidate !== undefined) this.#pool.failed(candidate, error.code, now - routed.sentAt);
    if (isAgain) this.#serveQueue();
  }

  onDeadline(routed: RoutedRequest): void {
    const { candidate, hasEnded, request } = routed;
    const error = deadlineError(this.#entry, request.version);
    routed.reject(error);
    if (hasEnded) return;
    const now = this.#deps.clock.now();
    this.#outcomes?.failed(routed, error, now);
    this.#abandon(routed);
    if (candidate !== undefined) this.#pool.failed(candidate, error.code, now - routed.sentAt);
  }

  onCancel(routed: RoutedRequest, reason: ServeError): void {
    const { candidate, hasEnded } = routed;
    this.#deadlines.remove(routed);
    routed.reject(reason);
    if (hasEnded) return;
    this.#outcomes?.left(routed);
    this.#abandon(routed);
    if (candidate === undefined) return;
    this.#lanes.ended(routed, this.#deps.clock.now());
    this.#pool.released(candidate);
  }

  /** No slot is free for it: it waits, unless there is no room or no hope. */
  #wait(routed: RoutedRequest, now: number): void {
    const admission = this.#lanes.enter(routed, now, this.#pool.leastMs);
    if (admission === undefined) return;
    const { decision, aheadCount, victim } = admission;
    const fullError = (): ServeError => this.#lanes.fullError(routed.lane, now);
    if (decision.kind === "wait") {
      if (!this.#pool.hasReplicas) this.#meter?.starved();
    } else if (decision.kind === "pushOut") {
      this.#metrics.refused("pushedOut");
      if (victim !== undefined) this.#refuse(victim, "queueFull", fullError);
    } else {
      this.#metrics.refused(decision.reason);
      if (decision.reason === "queueFull") this.#refuse(routed, "queueFull", fullError);
      else this.#refuse(routed, "tooLate", () => tooLateError(this.#entry, aheadCount, decision.waitMs));
    }
    this.#lanes.note(now);
  }

  #serveQueue(): void {
    if (this.#isRemoved) this.#rejectQueued(() => removedError(this.#entry));
    const now = this.#deps.clock.now();
    const lanes = this.#lanes;
    lanes.unblock();
    for (let lane = lanes.next(); lane !== undefined; lane = lanes.next()) {
      const routed = lane.queue.first?.value;
      if (routed === undefined) break;
      const { request } = routed;
      const decision = this.#pool.pick(request, lanes.servedBy(lane));
      if (decision.kind === "queue") {
        if (decision.reason === "starting") this.#fallBackAll(lane);
        lane.isBlocked = true;
        continue;
      }
      lanes.remove(routed);
      if (decision.kind === "fail") {
        this.#refuse(routed, "unavailable", () => unavailableError(this.#entry, request.version));
        continue;
      }
      // Its time may be over although the deadlines have not been looked at since: then nothing is computed for it.
      if (now >= routed.deadlineAt) this.#end(routed, deadlineError(this.#entry, request.version));
      else this.#dispatch(routed, decision.replica, now);
    }
    this.#lanes.note(now);
  }

  #dispatch(routed: RoutedRequest, candidate: Candidate, now: number): void {
    // Not again after a refusal: its wait is the time until it was handed over first.
    if (routed.sentAt < 0) this.#metrics.queueSeconds.observe((now - routed.arrivedAt) / 1_000);
    const { head, body } = routed.request;
    try {
      routed.attempts += 1;
      routed.sentAt = now;
      routed.goTo(candidate);
      routed.stream = candidate.client.send(head, body, routed.deadlineAt - now, routed);
    } catch (error) {
      routed.left();
      routed.candidate = undefined;
      this.#end(routed, ServeError.from(error));
      return;
    }
    this.#pool.took(candidate);
    this.#outcomes?.sent(routed, candidate.entry.version, { arrivedAt: routed.arrivedAt, now });
  }

  #retry(routed: RoutedRequest, { code }: ServeError, wasHanded: boolean, now: number): RetryDecision {
    if (this.#isClosed) return { kind: "giveUp", reason: "mayHaveBegun" };
    const { request, isReplayable, attempts, deadlineAt } = routed;
    const budgetLeft = this.#budget.left(this.#pool.maxOngoingRequests, now);
    const { isIdempotent } = request;
    return retry({ code, wasHanded, isReplayable, isIdempotent, attempts, deadlineAt, budgetLeft }, now);
  }

  /** Nothing was done of it, and nothing will be here. */
  #refuse(routed: RoutedRequest, refusal: Refusal, error: () => ServeError): void {
    if (!this.#fallBack(routed, refusal)) this.#end(routed, error());
  }

  /** Whether the deployment's fallback answers it. */
  #fallBack(routed: RoutedRequest, refusal: Refusal): boolean {
    // Whoever asks for a version wants that one or none.
    if (routed.request.version !== undefined) return false;
    const answer = this.#fallback.take(this.#entry, routed, refusal);
    if (answer === undefined) return false;
    this.#deadlines.remove(routed);
    routed.forward(answer);
    return true;
  }

  /** Those that wait for a start go to the fallback, each that can: one that cannot holds up none of the others. */
  #fallBackAll({ queue }: Lane<RoutedRequest>): void {
    if (this.#entry.fallback === undefined) return;
    for (const routed of queue.all()) if (this.#fallBack(routed, "starting")) this.#lanes.remove(routed);
  }

  #end(routed: RoutedRequest, error: ServeError): void {
    this.#deadlines.remove(routed);
    routed.reject(error);
  }

  /**
   * Takes one that has been rejected from wherever it is: out of the queue, or away from the replica that has it. Not
   * sooner: a body on its way there breaks off with it, and would end the request as if its client had gone.
   */
  #abandon(routed: RoutedRequest): void {
    if (this.#lanes.remove(routed)) this.#lanes.note(this.#deps.clock.now());
    routed.left();
    routed.candidate?.client.cancel(routed.stream);
  }

  #rejectQueued(error: () => ServeError): void {
    for (let routed = this.#lanes.shift(); routed !== undefined; routed = this.#lanes.shift())
      this.#end(routed, error());
    this.#lanes.note(this.#deps.clock.now());
  }
}

/** Whether the end of a request says how fast requests are done: not that of one which was late, lost or not taken. */
function isDone(error: ServeError | undefined): boolean {
  switch (error?.code) {
    case "replica_lost":
    case "deadline_exceeded":
    case "replica_overloaded":
    case "replica_draining":
      return false;
    default:
      return true;
  }
}

/** The version that has a request, or for which it waits. */
function versionOf({ candidate, lane }: RoutedRequest): Version {
  return candidate?.entry.version ?? lane?.version ?? ("" as Version);
}
