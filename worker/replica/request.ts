import type { Cancellation } from "../../core/cancellation.ts";
import { MODEL_ID_HEADER } from "../../core/model-id.ts";
import type { RequestContext } from "../../core/request-context.ts";
import type { RequestScope } from "../../core/request-scope.ts";
import type { RequestHead } from "../../proto/exchange.ts";
import { headerOf } from "../../proto/header-of.ts";
import type { ReplicaIdentity } from "./actor.ts";

/** A request's context. What most requests never ask for, headers and an AbortSignal, is made when it is asked for. */
class ReplicaRequestContext implements RequestContext {
  readonly deadlineAt: number;
  readonly #head: RequestHead;
  readonly #identity: ReplicaIdentity;
  readonly #cancellation: Cancellation;
  #headers: Headers | undefined;

  constructor(head: RequestHead, identity: ReplicaIdentity, deadlineAt: number, cancellation: Cancellation) {
    this.deadlineAt = deadlineAt;
    this.#head = head;
    this.#identity = identity;
    this.#cancellation = cancellation;
  }

  get requestId(): string {
    return this.#head.requestId;
  }

  get signal(): AbortSignal {
    return this.#cancellation.signal;
  }

  get headers(): Headers {
    return (this.#headers ??= headersOf(this.#head.kind === "call" ? [] : this.#head.headers));
  }

  get modelId(): string {
    // The proxy has checked the header.
    return this.#head.kind === "call" ? this.#head.modelId : (headerOf(this.#head.headers, MODEL_ID_HEADER) ?? "");
  }

  get application(): string {
    return this.#identity.application;
  }

  get deployment(): string {
    return this.#identity.deployment;
  }

  get replica(): string {
    return this.#identity.replica;
  }

  get version(): string {
    return this.#identity.version;
  }
}

/** Headers from names and values by turns. */
export function headersOf(pairs: readonly string[]): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < pairs.length; at += 2) headers.append(pairs[at] as string, pairs[at + 1] as string);
  return headers;
}

/** What user code runs a request in. */
class ReplicaRequestScope implements RequestScope {
  readonly context: RequestContext;
  readonly cancellation: Cancellation;
  degradedBy: string | undefined;
  readonly #head: RequestHead;

  constructor(head: RequestHead, context: RequestContext, cancellation: Cancellation) {
    this.#head = head;
    this.context = context;
    this.cancellation = cancellation;
  }

  get depth(): number {
    return this.#head.depth;
  }

  get traceparent(): string {
    return this.#head.traceparent;
  }

  get priority(): number {
    if (this.#head.kind === "call") return this.#head.priority;
    // The proxy has checked the header; but what is no number has no place in any order, and would never leave a queue.
    const priority = Number(headerOf(this.#head.headers, "x-thornback-priority") ?? 0);
    return Number.isFinite(priority) ? priority : 0;
  }
}

/** The scope that user code runs a request in. A WebSocket lasts for as long as its client likes: it has no deadline. */
export function requestScope(
  head: RequestHead,
  identity: ReplicaIdentity,
  deadlineAt: number,
  cancellation: Cancellation,
): RequestScope {
  const endsAt = head.kind === "socket" ? Number.POSITIVE_INFINITY : deadlineAt;
  return new ReplicaRequestScope(head, new ReplicaRequestContext(head, identity, endsAt, cancellation), cancellation);
}
