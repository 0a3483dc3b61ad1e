import type { DeploymentId, Version } from "./ids.ts";

/** Options of one call through a handle. */
export type CallOptions = {
  /** Tightens the caller's deadline; milliseconds. Default: what is left of the caller's, else the deployment's. */
  readonly timeoutMs?: number;
  /** Cancels the call, wherever it has got to. */
  readonly signal?: AbortSignal;
  /** Session key, for sticky routing. */
  readonly key?: string;
  /** Which of several models the replica should use. */
  readonly modelId?: string;
  /** Higher goes first in queues; default 0. */
  readonly priority?: number;
  /** Whether the call may be sent again to another replica after the first had begun. Default: the deployment's. */
  readonly idempotent?: boolean;
};

/** One call of a method of a deployment. */
export type Call = {
  readonly deployment: DeploymentId;
  /** Which version of it, and no other; undefined: whichever its routers choose. */
  readonly version?: Version | undefined;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly options: CallOptions;
};

/** How a handle reaches a deployment: `routing/` implements it, replicas and `thornback/testing` plug it in. */
export interface CallTransport {
  /**
   * Sends the call at once. Resolves with the method's result, for a method that yields with an AsyncIterable of its items
   * as soon as there is one; rejects with a ServeError.
   */
  call(call: Call): Promise<unknown>;
}
