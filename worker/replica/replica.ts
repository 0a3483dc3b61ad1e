import type { Cancellation } from "../../core/cancellation.ts";
import type { Clock } from "../../core/clock.ts";
import { DeadlineExceededError, ReplicaLostError, ReplicaRefusedError, ServeError } from "../../core/error.ts";
import type { Logger } from "../../core/log.ts";
import type { Counter, Gauge, Histogram, Metrics } from "../../core/metric.ts";
import type { Random } from "../../core/random.ts";
import type { Body } from "../../proto/body.ts";
import type { Answer, RequestHandler, RequestHead } from "../../proto/exchange.ts";
import { DeadlineSweep } from "../../routing/deadline-sweep.ts";
import type { Actor, ReplicaIdentity } from "./actor.ts";
import { OngoingLoad } from "./ongoing-load.ts";
import { OngoingRequest } from "./ongoing-request.ts";
import { requestScope } from "./request.ts";

/**
 * Admits requests to an actor: exactly `maxOngoingRequests` at a time, none once it drains.
 *
 *   open ──drain──▶ draining ──last request ended, or time is up──▶ drained
 *
 * A request ends exactly once: with the actor's answer, to the last byte where that streams, or with its cancellation
 * (the client went away, the deadline passed, the drain took too long), whichever is first. Its slot is free from that
 * moment, because that is when its router counts it as ended too; user code that ignores its cancellation goes on without a caller and without a slot.
 * Keeping the slot would let code that never returns take the replica out of service one request at a time, unseen; what
 * such code does to a replica is for its `healthCheck` to tell.
 */

/** What a replica is made of. */
export type ReplicaDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly actor: Actor;
  readonly identity: ReplicaIdentity;
  readonly maxOngoingRequests: number;
  /** The latest deadline of what is ongoing is another than before; told before its request reaches the actor. */
  readonly onDeadline?: (() => void) | undefined;
};

/** One replica, as its frame server sees it. */
export class Replica implements RequestHandler {
  readonly #deps: ReplicaDeps;
  readonly #ongoing: DeadlineSweep<OngoingRequest>;
  readonly #load: OngoingLoad;
  readonly #ongoingGauge: Gauge;
  readonly #runSeconds: Histogram;
  readonly #outcomes = new Map<string, Counter>();
  #isDraining = false;
  #onEmpty: (() => void) | undefined;

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
    this.#ongoing = new DeadlineSweep(deps.clock);
    this.#load = new OngoingLoad(deps.onDeadline ?? (() => {}));
    const labels = { deployment: deps.identity.deploymentId };
    this.#ongoingGauge = deps.metrics.gauge("thornback_replica_ongoing_requests", labels);
    this.#runSeconds = deps.metrics.histogram("thornback_replica_run_seconds", labels);
  }

  get ongoing(): number {
    return this.#ongoing.size;
  }

  /** Of what is ongoing; 0: none has one. */
  get latestDeadlineAt(): number {
    return this.#load.latestDeadlineAt;
  }

  /** `latestDeadlineAt` is being told, as it is now. */
  deadlineTold(): void {
    this.#load.told();
  }

  /** Milliseconds that requests were ongoing, all of them together. */
  requestMs(now: number): number {
    return this.#load.requestMs(now);
  }

  handle(head: RequestHead, body: Body, cancellation: Cancellation): Promise<Answer> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const { clock, identity, actor } = this.#deps;
    const startedAt = clock.now();
    const request = requestScope(head, identity, startedAt + head.timeoutMs, cancellation);
    return new Promise<Answer>((resolve, reject) => {
      const ongoing = new OngoingRequest(request, startedAt, {
        resolve,
        reject,
        tooLate: () => tooLate(identity),
        onEnd: (outcome) => this.#ended(ongoing, outcome),
      });
      this.#load.added(ongoing, startedAt);
      if (!ongoing.start()) return;
      this.#ongoing.add(ongoing);
      this.#ongoingGauge.set(this.#ongoing.size);
      actor.answer(head, body, request).then(
        (answer) => {
          // A WebSocket lasts as long as its two ends want.
          if (head.kind === "socket") {
            ongoing.deadlineAt = Infinity;
            this.#load.changed(() => this.#ongoing.all());
          }
          ongoing.answer(answer);
        },
        (thrown: unknown) => ongoing.fail(ServeError.from(thrown)),
      );
    });
  }

  /**
   * Refuses what is new from now on and resolves when the last request has ended. What is ongoing after `timeoutMs`
   * ends with ReplicaLostError, which its router may retry where that is safe. Idempotent: the first limit counts.
   */
  async drain(timeoutMs: number): Promise<void> {
    const { clock, identity, log, actor } = this.#deps;
    this.#isDraining = true;
    actor.goAway();
    if (this.#ongoing.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = clock.after(timeoutMs, () => {
        log.warn({ ongoing: this.#ongoing.size }, `requests were cut off after ${timeoutMs} ms of draining`);
        const error = new ReplicaLostError(
          `replica ${identity.replica} stopped before the request ended; gracefulShutdownTimeoutMs allows ${timeoutMs} ms`,
        );
        for (const { request } of this.#ongoing.all()) request.cancellation.cancel(error);
      });
      const before = this.#onEmpty;
      this.#onEmpty = () => {
        timer.cancel();
        before?.();
        resolve();
      };
    });
  }

  #refusal(): ReplicaRefusedError | undefined {
    const { identity, maxOngoingRequests } = this.#deps;
    if (this.#isDraining) return new ReplicaRefusedError("replica_draining", `replica ${identity.replica} is draining`);
    if (this.#ongoing.size < maxOngoingRequests) return undefined;
    const message = `replica ${identity.replica} has ${maxOngoingRequests} requests already`;
    return new ReplicaRefusedError("replica_overloaded", message);
  }

  #ended(ongoing: OngoingRequest, outcome: string): void {
    const now = this.#deps.clock.now();
    this.#ongoing.remove(ongoing);
    this.#load.removed(ongoing, now, () => this.#ongoing.all());
    this.#ongoingGauge.set(this.#ongoing.size);
    this.#runSeconds.observe((now - ongoing.startedAt) / 1_000);
    let counter = this.#outcomes.get(outcome);
    if (counter === undefined) {
      const labels = { deployment: this.#deps.identity.deploymentId, outcome };
      counter = this.#deps.metrics.counter("thornback_replica_requests_total", labels);
      this.#outcomes.set(outcome, counter);
    }
    counter.add(1);
    if (this.#ongoing.size > 0) return;
    if (this.#isDraining) this.#ongoing.close();
    this.#onEmpty?.();
  }
}

function tooLate(identity: ReplicaIdentity): ServeError {
  const name = `${identity.application}/${identity.deployment}`;
  return new DeadlineExceededError(`${name} did not answer before the request's deadline`);
}
