import type { QueueEntry } from "./bounded-queue.ts";
import type { Cancellation } from "../core/cancellation.ts";
import type { ServeError } from "../core/error.ts";
import type { DeploymentId, Version } from "../core/ids.ts";
import type { OutgoingHead } from "../proto/codec/exchange.ts";
import { isStream, type Body, type BodyStream } from "../proto/body.ts";
import type { Answer } from "../proto/exchange.ts";
import type { Expiring } from "./deadline-sweep.ts";
import type { Candidate } from "./candidate.ts";
import type { Lane } from "./lane.ts";
import type { ReplicaStream } from "./sent-requests.ts";

/** A request on its way to a deployment. */
export type RouterRequest = {
  readonly head: OutgoingHead;
  /** A whole one is kept until the request has ended, so that it can be sent again; a stream while nobody touched it. */
  readonly body: Body;
  /** Of the clock that the router was given. */
  readonly deadlineAt: number;
  /** Whether sending it twice does no harm. */
  readonly isIdempotent: boolean;
  /** Higher goes first in the queue: -10 to 10, mostly 0. */
  readonly priority: number;
  /** Session key, for sticky routing; empty without. */
  readonly key: string;
  /** Which of several models it is for; empty without. It goes where that is loaded. */
  readonly modelId: string;
  /** Somebody cancels it here when nobody waits for the answer any more; undefined: nobody will. */
  readonly cancellation: Cancellation | undefined;
  /** Which version of the deployment it is for, whatever the split says, and no other; undefined: the router chooses. */
  readonly version?: Version | undefined;
  /** How many deployments could not take it before this one, whose fallback it is; undefined: none. */
  readonly degradedCount?: number | undefined;
};

/** An answer, and the version of the deployment that gave it. */
export type RoutedAnswer = {
  readonly answer: Answer;
  readonly version: Version;
  /** The deployment that gave it in place of the one that was asked; undefined: the one that was asked. */
  readonly degradedBy?: DeploymentId | undefined;
};

/** What a routed request tells its router. */
export interface RoutedRequestOwner {
  onAnswer(routed: RoutedRequest, answer: Answer): void;
  onError(routed: RoutedRequest, error: ServeError, wasHanded: boolean): void;
  onDeadline(routed: RoutedRequest): void;
  onCancel(routed: RoutedRequest, reason: ServeError): void;
  /** The last byte of its streaming answer was used up, or it broke off with the error. */
  onStreamEnd(routed: RoutedRequest, error: ServeError | undefined): void;
}

/**
 * One request in its router: queued → ongoing (→ queued again) → ended, each of which its router decides. One whose answer
 * streams has ended for its caller with the answer's head; its deadline and its cancellation hold on to the stream's end.
 */
export class RoutedRequest implements ReplicaStream, Expiring {
  readonly request: RouterRequest;
  readonly deadlineAt: number;
  readonly arrivedAt: number;
  sweepIndex = -1;
  readonly #owner: RoutedRequestOwner;
  readonly #resolve: (answer: RoutedAnswer | PromiseLike<RoutedAnswer>) => void;
  readonly #reject: (error: ServeError) => void;
  readonly #unsubscribe: (() => void) | undefined;
  #streaming: BodyStream | undefined;
  /** Where it waits, or did; undefined before it was divided from others. */
  lane: Lane<RoutedRequest> | undefined;
  /** Its place in the queue, whether it waits there now or not. */
  place: QueueEntry<RoutedRequest> | undefined;
  /** Which replica has it; undefined while none has. */
  candidate: Candidate | undefined;
  /** Where it counts among those sent for its model. */
  #holder: Candidate | undefined;
  /** When it was handed to a replica last; below 0: never yet. */
  sentAt = -1;
  stream = 0;
  attempts = 0;
  hasEnded = false;

  constructor(
    owner: RoutedRequestOwner,
    request: RouterRequest,
    arrivedAt: number,
    end: {
      readonly resolve: (answer: RoutedAnswer | PromiseLike<RoutedAnswer>) => void;
      readonly reject: (error: ServeError) => void;
    },
  ) {
    this.#owner = owner;
    this.request = request;
    this.deadlineAt = request.deadlineAt;
    this.arrivedAt = arrivedAt;
    this.#resolve = end.resolve;
    this.#reject = end.reject;
    this.#unsubscribe = request.cancellation?.onCancel((reason) => this.#owner.onCancel(this, reason));
    const { body } = request;
    if (!isStream(body)) return;
    body.onSettled((error) => {
      if (error !== undefined && !this.hasEnded) this.#owner.onCancel(this, error);
    });
  }

  /** Whether it may be sent to another replica after one had begun with it. */
  get isRepeatable(): boolean {
    return this.request.isIdempotent && this.isReplayable && !this.hasEnded;
  }

  /** Whether all of its body is still here. */
  get isReplayable(): boolean {
    const { body } = this.request;
    return !isStream(body) || !body.isReceived;
  }

  /** It goes to a replica, which from now on counts as one that has its model. */
  goTo(candidate: Candidate): void {
    this.candidate = candidate;
    const { modelId } = this.request;
    if (modelId === "") return;
    candidate.models.sent(modelId);
    this.#holder = candidate;
  }

  /** It was answered, has failed there or was given up: the replica has said by now whether it has the model. */
  left(): void {
    this.#holder?.models.ended(this.request.modelId);
    this.#holder = undefined;
  }

  onAnswer(answer: Answer): void {
    this.#owner.onAnswer(this, answer);
  }

  onError(error: ServeError, wasHanded: boolean): void {
    this.#owner.onError(this, error, wasHanded);
  }

  onDeadline(): void {
    this.#owner.onDeadline(this);
  }

  resolve(routed: RoutedAnswer): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const { body } = routed.answer;
    if (isStream(body)) {
      this.#streaming = body;
      body.onSettled((error) => {
        this.#streaming = undefined;
        this.#unsubscribe?.();
        this.#owner.onStreamEnd(this, error);
      });
    } else this.#unsubscribe?.();
    this.#resolve(routed);
  }

  /** Another deployment's router has it from now on. */
  forward(answer: PromiseLike<RoutedAnswer>): void {
    this.hasEnded = true;
    this.#unsubscribe?.();
    this.#resolve(answer);
  }

  /** Fails it, or breaks off the answer that streams. */
  reject(error: ServeError): void {
    if (this.hasEnded) {
      this.#streaming?.abort(error);
      return;
    }
    this.hasEnded = true;
    this.#unsubscribe?.();
    this.#reject(error);
  }
}
