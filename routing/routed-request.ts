import type { QueueEntry } from "./bounded-queue.ts";
import type { Cancellation } from "../core/cancellation.ts";
import type { ServeError } from "../core/error.ts";
import type { Version } from "../core/ids.ts";
import type { OutgoingHead } from "../proto/codec/exchange.ts";
import type { Answer } from "../proto/exchange.ts";
import type { Expiring } from "./deadline-sweep.ts";
import type { ReplicaClient, ReplicaStream } from "./replica-client.ts";

/** A request on its way to a deployment. */
export type RouterRequest = {
  readonly head: OutgoingHead;
  /** In order; kept until the request has ended, so that it can be sent again. */
  readonly body: readonly Uint8Array[];
  /** Of the clock that the router was given. */
  readonly deadlineAt: number;
  /** Whether sending it twice does no harm. */
  readonly isIdempotent: boolean;
  /** Somebody cancels it here when nobody waits for the answer any more; undefined: nobody will. */
  readonly cancellation: Cancellation | undefined;
};

/** An answer, and the version of the deployment that gave it. */
export type RoutedAnswer = { readonly answer: Answer; readonly version: Version };

/** What a routed request tells its router. */
export interface RoutedRequestOwner {
  onAnswer(routed: RoutedRequest, answer: Answer): void;
  onError(routed: RoutedRequest, error: ServeError, wasHanded: boolean): void;
  onDeadline(routed: RoutedRequest): void;
  onCancel(routed: RoutedRequest, reason: ServeError): void;
}

/** One request in its router: queued → ongoing (→ queued again) → ended, each of which its router decides. */
export class RoutedRequest implements ReplicaStream, Expiring {
  readonly request: RouterRequest;
  readonly deadlineAt: number;
  readonly arrivedAt: number;
  readonly #owner: RoutedRequestOwner;
  readonly #resolve: (answer: RoutedAnswer) => void;
  readonly #reject: (error: ServeError) => void;
  readonly #unsubscribe: (() => void) | undefined;
  /** Its place in the queue, whether it waits there now or not. */
  place: QueueEntry<RoutedRequest> | undefined;
  /** Which replica has it; undefined while none has. */
  client: ReplicaClient | undefined;
  stream = 0;
  attempts = 0;
  hasEnded = false;

  constructor(
    owner: RoutedRequestOwner,
    request: RouterRequest,
    arrivedAt: number,
    end: { readonly resolve: (answer: RoutedAnswer) => void; readonly reject: (error: ServeError) => void },
  ) {
    this.#owner = owner;
    this.request = request;
    this.deadlineAt = request.deadlineAt;
    this.arrivedAt = arrivedAt;
    this.#resolve = end.resolve;
    this.#reject = end.reject;
    this.#unsubscribe = request.cancellation?.onCancel((reason) => this.#owner.onCancel(this, reason));
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

  resolve(answer: RoutedAnswer): void {
    if (!this.#end()) return;
    this.#resolve(answer);
  }

  reject(error: ServeError): void {
    if (!this.#end()) return;
    this.#reject(error);
  }

  #end(): boolean {
    if (this.hasEnded) return false;
    this.hasEnded = true;
    this.#unsubscribe?.();
    return true;
  }
}
