import { AsyncLocalStorage } from "node:async_hooks";
import { Cancellation } from "./cancellation.ts";
import type { RequestContext } from "./request-context.ts";

/**
 * Which request the running code works for. Set around user code, read by `requestContext()`, batch methods, models and
 * handles, so that deadlines, cancellation and request ids reach them without being passed by hand. Like the
 * construction scope it hangs on `globalThis`, so that two copies of this package agree.
 */

/** A request in user code: its context, and what travels on with nested calls. */
export type RequestScope = {
  readonly context: RequestContext;
  readonly cancellation: Cancellation;
  /** Where it must wait, those of a higher one go first; 0 where nobody said otherwise. */
  readonly priority: number;
  /** Handle calls above it. */
  readonly depth: number;
  readonly traceparent: string;
  /** Name of the deployment that answered one of its calls in place of another; undefined mostly. Routing sets it. */
  degradedBy?: string | undefined;
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
