import type { RequestContext } from "../core/request-context.ts";
import { currentScope } from "../core/request-scope.ts";

export type { RequestContext } from "../core/request-context.ts";

/** What `setup` is told of the replica it prepares. */
export type SetupContext = {
  readonly application: string;
  readonly deployment: string;
  readonly replica: string;
  readonly version: string;
  /** Node it runs on. */
  readonly node: string;
  /** Ids of the GPUs it may see; empty without. */
  readonly gpus: readonly string[];
  /** The deployment's `userConfig`; undefined without. */
  readonly userConfig: unknown;
  /** Aborts when the start takes longer than `startTimeoutMs`. */
  readonly signal: AbortSignal;
};

/**
 * The request that the calling code works for: its id, deadline, cancellation and headers, and who serves it. Works
 * anywhere below `fetch`, `predict` or a method called through a handle, over `await` and timers alike.
 *
 * @throws {Error} inside a batch handler, which works for several requests at once (use its second argument,
 *   `contexts`), and outside any request, for instance in a constructor or in `setup`.
 * @example
 * ```ts
 * import { deployment, requestContext } from "thornback";
 *
 * class Greeter {
 *   predict(name: string) {
 *     return { greeting: `Hello, ${name}!`, requestId: requestContext().requestId };
 *   }
 * }
 *
 * export default deployment(Greeter).bind();
 * ```
 */
export function requestContext(): RequestContext {
  const scope = currentScope();
  if (scope?.kind === "request") return scope.request.context;
  if (scope?.kind === "batch") {
    throw new Error(
      "requestContext() has no single answer inside a batch handler: use the handler's second argument, `contexts`, " +
        "which has one context per item",
    );
  }
  throw new Error(
    "requestContext() was called outside a request: call it below fetch, predict or a method called through a handle, " +
      "not in a constructor, setup or a timer of their own",
  );
}
