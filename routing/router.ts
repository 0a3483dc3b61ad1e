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
import { BoundedQueue } from "./bounded-queue.ts";
import { CancelledError, ServeError } from "../core/error.ts";
import type { DeploymentEntry, ReplicaEntry } from "../core/table.ts";
import { isStream } from "../proto/body.ts";
import type { Answer } from "../proto/exchange.ts";
import type { Candidate } from "./candidate.ts";
import type { DeadlineSweep } from "./deadline-sweep.ts";
import { admit, retryAfter } from "./decide/admit.ts";
import { retry, type RetryDecision } from "./decide/retry.ts";
import { DrainRate } from "./drain-rate.ts";
import { ReplicaPool, type PoolDeps } from "./replica-pool.ts";
import { RetryBudget } from "./retry-budget.ts";
import { RoutedRequest, type RoutedAnswer, type RoutedRequestOwner, type RouterRequest } from "./routed-request.ts";
import { RouterMetrics } from "./router-metrics.ts";
import { deadlineError, queueFullError, removedError, tooLateError, unavailableError } from "./routing-errors.ts";

/** What routers are made of. */
export type RouterDeps = PoolDeps;

const SWITCHING_PROTOCOLS = 101;

/** The router of one deployment. */
export class Router implements RoutedRequestOwner {
  readonly #deps: RouterDeps;
  readonly #deadlines: DeadlineSweep;
  readonly #queue: BoundedQueue<RoutedRequest>;
  readonly #pool: ReplicaPool;
  readonly #drain = new DrainRate();
  readonly #budget = new RetryBudget();
  readonly #metrics: RouterMetrics;
  #entry: DeploymentEntry;
  #isRemoved = false;
  #isClosed = false;

  constructor(deps: RouterDeps, deadlines: DeadlineSweep, entry: DeploymentEntry) {
    this.#deps = deps;
    this.#deadlines = deadlines;
    this.#entry = entry;
    this.#queue = new BoundedQueue(entry.maxQueuedRequests);
    this.#metrics = new RouterMetrics(deps.metrics, entry.id);
    this.#pool = new ReplicaPool(deps, entry, (freedCount) => this.#onSlots(freedCount));
  }

  /** Takes over a table. */
  update(entry: DeploymentEntry, replicas: readonly ReplicaEntry[]): void {
    this.#entry = entry;
    this.#queue.limit = entry.maxQueuedRequests;
    this.#pool.update(entry, replicas);
    this.#serveQueue();
  }

  /** Sends a request to a replica, now or when one has a free slot. Rejects with a ServeError. */
  send(request: RouterRequest): Promise<RoutedAnswer> {
    return new Promise<RoutedAnswer>((resolve, reject) => {
      const now = this.#deps.clock.now();
      const routed = new RoutedRequest(this, request, now, { resolve, reject });
      if (routed.hasEnded) return;
      if (now >= routed.deadlineAt) {
        routed.reject(deadlineError(this.#entry));
        return;
      }
      this.#budget.request(now);
      const decision = this.#queue.size > 0 ? undefined : this.#pool.pick(request);
      if (decision?.kind === "fail") {
        routed.reject(unavailableError(this.#entry));
        return;
      }
      routed.place = this.#queue.arrive(routed, request.priority);
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
    const version = candidate?.entry.version ?? ("" as RoutedAnswer["version"]);
    // A WebSocket lasts as long as its two ends want; any other answer is to be there by the deadline, to its last byte.
    if (!isStream(answer.body) || answer.status === SWITCHING_PROTOCOLS) this.#deadlines.remove(routed);
    if (candidate !== undefined) this.#pool.answered(candidate, now - sentAt);
    // Deadlines are looked at every few milliseconds; whoever said how long he waits is not given what comes after.
    if (now < deadlineAt) {
      routed.resolve({ answer, version });
      return;
    }
    const error = deadlineError(this.#entry);
    if (isStream(answer.body)) answer.body.cancel(error);
    this.#end(routed, error);
  }

  onStreamEnd(routed: RoutedRequest): void {
    this.#deadlines.remove(routed);
  }

  onError(routed: RoutedRequest, error: ServeError, wasHanded: boolean): void {
    routed.left();
    if (routed.hasEnded) return;
    const { candidate } = routed;
    routed.candidate = undefined;
    const now = this.#deps.clock.now();
    const decision = this.#retry(routed, error, wasHanded, now);
    const isAgain = decision.kind === "again";
    if (isAgain) {
      // A refusal is not an attempt: the replica took nothing.
      if (decision.reason === "refused") routed.attempts -= 1;
      else this.#budget.retry(now);
      this.#metrics.retried(error.code);
      if (routed.place !== undefined) this.#queue.putBack(routed.place);
      this.#noteQueue(now);
    } else {
      this.#end(routed, decision.reason === "deadline" ? deadlineError(this.#entry, error) : error);
    }
    // A slot that a refused, a late or a lost request had says nothing about how fast requests are done.
    if (isAgain || error.code === "replica_lost" || error.code === "deadline_exceeded") this.#drain.ended(-1, now);
    if (candidate !== undefined) this.#pool.failed(candidate, error.code, now - routed.sentAt);
    if (isAgain) this.#serveQueue();
  }

  onDeadline(routed: RoutedRequest): void {
    const { candidate, hasEnded } = routed;
    const error = deadlineError(this.#entry);
    routed.reject(error);
    if (hasEnded) return;
    this.#abandon(routed);
    if (candidate !== undefined) this.#pool.failed(candidate, error.code, this.#deps.clock.now() - routed.sentAt);
  }

  onCancel(routed: RoutedRequest, reason: ServeError): void {
    const { candidate, hasEnded } = routed;
    this.#deadlines.remove(routed);
    routed.reject(reason);
    if (hasEnded) return;
    this.#abandon(routed);
    if (candidate !== undefined) this.#pool.released(candidate);
  }

  #onSlots(freedCount: number): void {
    if (this.#queue.size === 0) return;
    if (freedCount > 0) this.#drain.ended(freedCount, this.#deps.clock.now());
    this.#serveQueue();
  }

  /** No slot is free for it: it waits, unless there is no room or no hope. */
  #wait(routed: RoutedRequest, now: number): void {
    const { place, request, deadlineAt } = routed;
    if (place === undefined) return;
    const drain = this.#drain.measure(now);
    const aheadCount = this.#queue.aheadOf(request.priority);
    const decision = admit({
      queuedCount: this.#queue.size,
      maxQueuedRequests: this.#queue.limit,
      aheadCount,
      hasBelow: this.#queue.hasBelow(request.priority),
      timeLeftMs: deadlineAt - now,
      leastMs: this.#pool.leastMs,
      drain,
    });
    if (decision.kind === "wait") {
      this.#queue.push(place);
    } else if (decision.kind === "pushOut") {
      const victim = this.#queue.pushOut(place)?.value;
      this.#metrics.refused("pushedOut");
      if (victim !== undefined) this.#end(victim, this.#queueFullError(now));
    } else {
      this.#metrics.refused(decision.reason);
      const isFull = decision.reason === "queueFull";
      this.#end(routed, isFull ? this.#queueFullError(now) : tooLateError(this.#entry, aheadCount, decision.waitMs));
    }
    this.#noteQueue(now);
  }

  #serveQueue(): void {
    if (this.#isRemoved) this.#rejectQueued(() => removedError(this.#entry));
    const now = this.#deps.clock.now();
    for (let place = this.#queue.first; place !== undefined; place = this.#queue.first) {
      const routed = place.value;
      const decision = this.#pool.pick(routed.request);
      if (decision.kind === "queue") break;
      if (decision.kind === "fail") {
        this.#rejectQueued(() => unavailableError(this.#entry));
        break;
      }
      this.#queue.remove(place);
      // Its time may be over although the deadlines have not been looked at since: then nothing is computed for it.
      if (now >= routed.deadlineAt) this.#end(routed, deadlineError(this.#entry));
      else this.#dispatch(routed, decision.replica, now);
    }
    this.#noteQueue(now);
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
  }

  #retry(routed: RoutedRequest, { code }: ServeError, wasHanded: boolean, now: number): RetryDecision {
    if (this.#isClosed) return { kind: "giveUp", reason: "mayHaveBegun" };
    const { request, isReplayable, attempts, deadlineAt } = routed;
    const budgetLeft = this.#budget.left(this.#pool.maxOngoingRequests, now);
    const { isIdempotent } = request;
    return retry({ code, wasHanded, isReplayable, isIdempotent, attempts, deadlineAt, budgetLeft }, now);
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
    if (routed.place !== undefined && this.#queue.remove(routed.place)) this.#noteQueue(this.#deps.clock.now());
    routed.left();
    routed.candidate?.client.cancel(routed.stream);
  }

  #rejectQueued(error: () => ServeError): void {
    for (let place = this.#queue.shift(); place !== undefined; place = this.#queue.shift())
      this.#end(place.value, error());
    this.#noteQueue(this.#deps.clock.now());
  }

  #noteQueue(now: number): void {
    this.#metrics.queuedRequests.set(this.#queue.size);
    this.#drain.waiting(this.#queue.size > 0, now);
  }

  #queueFullError(now: number): ServeError {
    const { size } = this.#queue;
    return queueFullError(this.#entry, size, retryAfter(size, this.#drain.measure(now)));
  }
}
