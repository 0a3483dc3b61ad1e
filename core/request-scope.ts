import { AsyncLocalStorage } from "node:async_hooks";
import { Cancellation } from "./cancellation.ts";

/**
 * Which request the running code works for. Set around user code, read by `requestContext()`, batch methods, models and
 * handles, so that deadlines, cancellation and request ids reach them without being passed by hand. Like the
 * construction scope it hangs on `globalThis`, so that two copies of this package agree.
 */

/** What user code may know of the request it works for. */
export type RequestContext = {
  /** The `x-request-id` of the request; the same in every log line and in nested calls. */
  readonly requestId: string;
  /** When the answer is of no more use, in milliseconds of `performance.now()`; Infinity outside a request. */
  readonly deadlineAt: number;
  /** Aborts when the client goes away or the deadline passes. */
  readonly signal: AbortSignal;
  /** Headers of the HTTP request; empty for a call through a handle. */
  readonly headers: Headers;
  /** Which of several models the caller asked for; empty without. */
  readonly modelId: string;
  readonly application: string;
  readonly deployment: string;
  readonly replica: string;
  readonly version: string;
};

/** A request in user code: its context, and what travels on with nested calls. */
export type RequestScope = {
  readonly context: RequestContext;
  readonly cancellation: Cancellation;
  /** Where it must wait, those of a higher one go first; 0 where nobody said otherwise. */
  readonly priority: number;
  /** Handle calls above it. */
  readonly depth: number;
  readonly traceparent: string;
};

/** What is going on where the code runs. */
export type CurrentScope =
  | { readonly kind: "request"; readonly request: RequestScope }
  /** Inside a batch handler, which works for several requests at once. */
  | { readonly kind: "batch"; readonly requests: readonly RequestScope[] };

const STORAGE = Symbol.for("thornback.requestScope");

function storage(): AsyncLocalStorage<CurrentScope | undefined> {
  const holder = globalThis as { [STORAGE]?: AsyncLocalStorage<CurrentScope | undefined> };
  return (holder[STORAGE] ??= new AsyncLocalStorage<CurrentScope | undefined>());
}

const current = storage();

/** The scope the running code is in; undefined outside any request. */
export function currentScope(): CurrentScope | undefined {
  return current.getStore();
}

/** Runs `code`, and all it awaits, in a scope. */
export function runInScope<T>(scope: CurrentScope, code: () => T): T {
  return current.run(scope, code);
}

/** Runs `code` in no scope at all: for work that outlives or does not belong to the request that caused it. */
export function runOutsideScope<T>(code: () => T): T {
  return current.run(undefined, code);
}

class DetachedContext implements RequestContext {
  readonly requestId: string;
  readonly deadlineAt = Number.POSITIVE_INFINITY;
  readonly modelId = "";
  readonly application = "";
  readonly deployment = "";
  readonly replica = "";
  readonly version = "";
  readonly #cancellation: Cancellation;
  #headers: Headers | undefined;

  constructor(requestId: string, cancellation: Cancellation) {
    this.requestId = requestId;
    this.#cancellation = cancellation;
  }

  get signal(): AbortSignal {
    return this.#cancellation.signal;
  }

  get headers(): Headers {
    return (this.#headers ??= new Headers());
  }
}

/**
 * The request the running code works for, for code that needs one in any case: outside a request one without deadline
 * that nothing cancels; inside a batch handler likewise, with the first request's id to find it by.
 */
export function currentRequest(): RequestScope {
  const scope = current.getStore();
  if (scope?.kind === "request") return scope.request;
  const first = scope?.requests[0];
  const cancellation = new Cancellation();
  const context = new DetachedContext(first?.context.requestId ?? "", cancellation);
  return {
    context,
    cancellation,
    priority: first?.priority ?? 0,
    depth: first?.depth ?? 0,
    traceparent: first?.traceparent ?? "",
  };
}
