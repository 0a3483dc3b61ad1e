/**
 * A deployment's router: takes requests, and hands each to a replica with a free slot.
 *
 * A request waits here, not at a replica: it is bound to one only when that one can begin at once, so nothing is ever
 * stuck behind a slow replica. What waits is bounded; beyond it a request is refused at once. Whenever a slot may have
 * become free (an answer, a new link, another table) the queue is served from its head. A request that a replica refused
 * goes back to the place in the queue that its arrival gave it.
 *
 * Each request ends exactly once: with its answer, its error, its deadline or its cancellation.
 */
import { BoundedQueue } from "./bounded-queue.ts";
import type { Clock, Defer } from "../core/clock.ts";
import {
  CancelledError,
  DeadlineExceededError,
  DeploymentUnavailableError,
  NotFoundError,
  QueueFullError,
  ServeError,
} from "../core/error.ts";
import type { Logger } from "../core/log.ts";
import type { Gauge, Histogram, Metrics } from "../core/metric.ts";
import type { Network } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { DeploymentEntry, ReplicaEntry } from "../core/table.ts";
import { requestHeadToWire } from "../proto/codec/exchange.ts";
import type { Answer } from "../proto/exchange.ts";
import type { DeadlineSweep } from "./deadline-sweep.ts";
import { pick, type PickDecision } from "./decide/pick.ts";
import { retry } from "./decide/retry.ts";
import { ReplicaClient, type ReplicaClientListener } from "./replica-client.ts";
import { RoutedRequest, type RoutedAnswer, type RoutedRequestOwner, type RouterRequest } from "./routed-request.ts";

/** What routers are made of. */
export type RouterDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly network: Network;
  readonly defer: Defer;
};

/** When a client may try again after a full queue, seconds: by then most queues have drained or never will. */
const RETRY_AFTER_QUEUE_SECONDS = 1;
/** When a client may try again after a failed start; the next attempt is seconds away. */
const RETRY_AFTER_FAILED_SECONDS = 5;

/** The router of one deployment. */
export class Router implements RoutedRequestOwner, ReplicaClientListener {
  readonly #deps: RouterDeps;
  readonly #deadlines: DeadlineSweep;
  readonly #queue: BoundedQueue<RoutedRequest>;
  readonly #queuedGauge: Gauge;
  readonly #queueSeconds: Histogram;
  /** In the order of the table; retired links are not among them. */
  #clients: ReplicaClient[] = [];
  readonly #retiring = new Set<ReplicaClient>();
  #entry: DeploymentEntry;
  #lastPicked = -1;
  #isRemoved = false;
  #isClosed = false;

  constructor(deps: RouterDeps, deadlines: DeadlineSweep, entry: DeploymentEntry) {
    this.#deps = deps;
    this.#deadlines = deadlines;
    this.#entry = entry;
    this.#queue = new BoundedQueue(entry.maxQueuedRequests);
    this.#queuedGauge = deps.metrics.gauge("thornback_router_queued_requests", { deployment: entry.id });
    this.#queueSeconds = deps.metrics.histogram("thornback_router_queue_seconds", { deployment: entry.id });
  }

  /** Takes over a table: links that are new are made, those that are gone get nothing new from now on. */
  update(entry: DeploymentEntry, replicas: readonly ReplicaEntry[]): void {
    this.#entry = entry;
    this.#queue.limit = entry.maxQueuedRequests;
    const known = new Map(this.#clients.map((client) => [client.entry.id, client]));
    this.#clients = replicas.map((replica) => {
      const client = known.get(replica.id);
      if (client === undefined || !isSameDoor(client.entry, replica))
        return new ReplicaClient(this.#deps, replica, this);
      known.delete(replica.id);
      client.entry = replica;
      return client;
    });
    for (const client of known.values()) {
      this.#retiring.add(client);
      client.retire();
    }
    this.#serveQueue();
  }

  /** Sends a request to a replica, now or when one has a free slot. Rejects with a ServeError. */
  send(request: RouterRequest): Promise<RoutedAnswer> {
    return new Promise<RoutedAnswer>((resolve, reject) => {
      const routed = new RoutedRequest(this, request, this.#deps.clock.now(), { resolve, reject });
      if (routed.hasEnded) return;
      if (routed.arrivedAt >= routed.deadlineAt) {
        routed.reject(this.#deadlineError());
        return;
      }
      const decision = this.#queue.size > 0 ? undefined : this.#pick();
      if (decision?.kind === "fail") {
        routed.reject(this.#unavailableError());
        return;
      }
      const place = this.#queue.arrive(routed);
      routed.place = place;
      if (decision?.kind === "pick") {
        this.#deadlines.add(routed);
        this.#dispatch(routed, decision.index);
      } else if (this.#queue.push(place)) {
        this.#deadlines.add(routed);
        this.#queuedGauge.set(this.#queue.size);
      } else {
        routed.reject(this.#queueFullError());
      }
    });
  }

  /** The deployment is gone from the table: what waits fails, what is ongoing finishes or, to be sent again, fails. */
  remove(): void {
    this.#isRemoved = true;
    this.#serveQueue();
    for (const client of this.#clients) {
      this.#retiring.add(client);
      client.retire();
    }
    this.#clients = [];
  }

  /** Closes every link; what waits or is ongoing fails. */
  close(): void {
    this.#isClosed = true;
    this.#rejectQueued(() => new CancelledError(`the router of ${this.#entry.id} was closed`));
    for (const client of [...this.#clients, ...this.#retiring]) client.close();
    this.#clients = [];
  }

  onSlots(): void {
    if (this.#queue.size > 0) this.#serveQueue();
  }

  onRetired(client: ReplicaClient): void {
    this.#retiring.delete(client);
  }

  onAnswer(routed: RoutedRequest, answer: Answer): void {
    const version = routed.client?.entry.version ?? ("" as RoutedAnswer["version"]);
    this.#deadlines.remove(routed);
    routed.resolve({ answer, version });
  }

  onError(routed: RoutedRequest, error: ServeError, wasHanded: boolean): void {
    if (routed.hasEnded) return;
    const { request, attempts, deadlineAt } = routed;
    const isIdempotent = request.isIdempotent;
    routed.client = undefined;
    const now = this.#deps.clock.now();
    const decision = this.#isClosed
      ? ({ kind: "giveUp", reason: "mayHaveBegun" } as const)
      : retry({ code: error.code, wasHanded, isIdempotent, attempts, deadlineAt }, now);
    if (decision.kind === "giveUp") {
      this.#end(routed, decision.reason === "deadline" ? this.#deadlineError(error) : error);
      return;
    }
    // A refusal is not an attempt: the replica took nothing.
    if (decision.reason === "refused") routed.attempts -= 1;
    this.#deps.metrics
      .counter("thornback_router_retries_total", { deployment: this.#entry.id, code: error.code })
      .add(1);
    if (routed.place !== undefined) this.#queue.putBack(routed.place);
    this.#serveQueue();
  }

  onDeadline(routed: RoutedRequest): void {
    this.#abandon(routed);
    routed.reject(this.#deadlineError());
  }

  onCancel(routed: RoutedRequest, reason: ServeError): void {
    this.#deadlines.remove(routed);
    this.#abandon(routed);
    routed.reject(reason);
  }

  #pick(): PickDecision {
    const { availability, routing } = this.#entry;
    const input = { replicas: this.#clients, routing, availability, lastPicked: this.#lastPicked };
    return pick(input, this.#deps.random);
  }

  #serveQueue(): void {
    if (this.#isRemoved) this.#rejectQueued(() => removedError(this.#entry));
    for (let place = this.#queue.first; place !== undefined; place = this.#queue.first) {
      const decision = this.#pick();
      if (decision.kind === "queue") break;
      if (decision.kind === "fail") {
        this.#rejectQueued(() => this.#unavailableError());
        break;
      }
      this.#queue.remove(place);
      this.#dispatch(place.value, decision.index);
    }
    this.#queuedGauge.set(this.#queue.size);
  }

  #dispatch(routed: RoutedRequest, index: number): void {
    const client = this.#clients[index];
    if (client === undefined) return;
    this.#lastPicked = index;
    const now = this.#deps.clock.now();
    this.#queueSeconds.observe((now - routed.arrivedAt) / 1_000);
    const { head, body } = routed.request;
    try {
      const headText = requestHeadToWire(head, routed.deadlineAt - now);
      routed.attempts += 1;
      routed.client = client;
      routed.stream = client.send(headText, body, routed);
    } catch (error) {
      this.#end(routed, ServeError.from(error));
    }
  }

  #end(routed: RoutedRequest, error: ServeError): void {
    this.#deadlines.remove(routed);
    routed.reject(error);
  }

  /** Takes it from wherever it is: out of the queue, or away from the replica that has it. */
  #abandon(routed: RoutedRequest): void {
    if (routed.place !== undefined && this.#queue.remove(routed.place)) this.#queuedGauge.set(this.#queue.size);
    routed.client?.cancel(routed.stream);
  }

  #rejectQueued(error: () => ServeError): void {
    for (let place = this.#queue.shift(); place !== undefined; place = this.#queue.shift())
      this.#end(place.value, error());
    this.#queuedGauge.set(0);
  }

  #deadlineError(cause?: ServeError): DeadlineExceededError {
    const text = `${this.#entry.id} gave no answer in time: raise the time limit, or add replicas if requests queue`;
    return new DeadlineExceededError(text, cause === undefined ? {} : { cause });
  }

  #unavailableError(): DeploymentUnavailableError {
    const { id, reason } = this.#entry;
    const why = reason === "" ? "its replicas failed to start" : reason;
    const text = `${id} has no replica that can take requests: ${why}. See \`serve status\``;
    return new DeploymentUnavailableError(text, { details: { retryAfterSeconds: RETRY_AFTER_FAILED_SECONDS } });
  }

  #queueFullError(): QueueFullError {
    const text = `${this.#queue.size} requests wait for ${this.#entry.id} already: try again later, or add replicas`;
    return new QueueFullError(text, { details: { retryAfterSeconds: RETRY_AFTER_QUEUE_SECONDS } });
  }
}

function removedError({ id }: DeploymentEntry): NotFoundError {
  const text = `deployment ${id} was deleted while a request waited: \`serve status\` lists those there are`;
  return new NotFoundError("deployment_not_found", text);
}

/** Whether a connection to the one is a connection to the other: a restarted process has another secret. */
function isSameDoor(one: ReplicaEntry, other: ReplicaEntry): boolean {
  const isSameAddress = one.address.host === other.address.host && one.address.port === other.address.port;
  return isSameAddress && one.callSecret === other.callSecret;
}
