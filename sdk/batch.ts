import { Batcher, batchMetrics, type BatcherDeps } from "../batching/batcher.ts";
import { systemClock, systemDefer } from "../core/clock.ts";
import { registerBatch } from "../core/construction.ts";
import { InvalidSpecError } from "../core/error.ts";
import {
  currentRequest,
  runInScope,
  runOutsideScope,
  type RequestContext,
  type RequestScope,
} from "../core/request-scope.ts";
import { callerLocation } from "../core/user-frame.ts";

/** Options of {@link batch}. */
export type BatchOptions = {
  /**
   * Most items the handler is given at once. No default: it depends on the model and its memory. 1 turns batching off;
   * far more than arrive while one batch runs changes nothing.
   */
  readonly maxBatchSize: number;
};

/** One request's place in a batch. */
class Caller {
  readonly request: RequestScope;
  readonly deadlineAt: number;
  readonly cancellation: RequestScope["cancellation"];

  constructor(request: RequestScope) {
    this.request = request;
    this.deadlineAt = request.context.deadlineAt;
    this.cancellation = request.cancellation;
  }
}

/**
 * Turns a handler of many items into a function of one. Calls that come while a batch runs form the next one; a call
 * that finds the handler idle runs at once, so nobody waits for a batch to fill and there is nothing to tune.
 *
 * The handler gets the items and one context per item, and returns an array of the same length; an `Error` in it fails
 * that caller alone, a throw fails all. Callers whose deadline has passed, or who have gone away, are left out. Works
 * the same without a replica, for instance in a unit test.
 *
 * @throws {InvalidSpecError} when `maxBatchSize` is not a whole number of at least 1.
 * @example
 * ```ts
 * import { batch, deployment } from "thornback";
 *
 * class Doubler {
 *   double = batch({ maxBatchSize: 64 }, async (numbers: number[]) =>
 *     numbers.map((number) => (Number.isFinite(number) ? number * 2 : new RangeError("not a finite number"))),
 *   );
 *
 *   async predict(number: number) {
 *     return { doubled: await this.double(number) };
 *   }
 * }
 *
 * export default deployment(Doubler).bind();
 * ```
 */
export function batch<I, O>(
  options: BatchOptions,
  handler: (items: I[], contexts: RequestContext[]) => Promise<readonly (O | Error)[]> | readonly (O | Error)[],
): (item: I) => Promise<Exclude<O, Error>> {
  const { maxBatchSize } = options;
  if (!Number.isSafeInteger(maxBatchSize) || maxBatchSize < 1) {
    const problem = { path: "maxBatchSize", message: "must be a whole number of at least 1" };
    throw new InvalidSpecError(`batch(): maxBatchSize ${problem.message}`, { details: { problems: [problem] } });
  }
  const madeAt = callerLocation(batch);
  let deps: BatcherDeps = { clock: systemClock, defer: systemDefer, metrics: undefined };
  let method = "";
  let batcher: Batcher<I, O, Caller> | undefined;

  const makeBatcher = (): Batcher<I, O, Caller> =>
    new Batcher<I, O, Caller>(deps, {
      maxBatchSize,
      name: () => (method === "" ? `batch() at ${madeAt()}` : `method ${method}`),
      run: (items, callers) => {
        const requests = callers.map((caller) => caller.request);
        const contexts = requests.map((request) => request.context);
        return runInScope({ kind: "batch", requests }, () => handler(items, contexts));
      },
    });
  const call = (item: I): Promise<Exclude<O, Error>> => {
    const caller = new Caller(currentRequest());
    // Outside the caller's scope: the loop outlives the request that happened to start it.
    return runOutsideScope(() => (batcher ??= makeBatcher()).submit(item, caller)) as Promise<Exclude<O, Error>>;
  };
  registerBatch({
    call,
    maxBatchSize,
    attach: (attachment) => {
      method = attachment.method;
      const metrics = batchMetrics(attachment.metrics, attachment.deployment, method);
      deps = { clock: attachment.clock, defer: attachment.defer, metrics };
    },
  });
  return call;
}
