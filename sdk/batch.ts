import type { RequestContext } from "../core/request-context.ts";
import { currentRequest, runInScope, runOutsideScope } from "../core/request-scope.ts";
import { callerLocation } from "../core/user-frame.ts";
import { BatchMethodCaller, BatchMethodQueue, type BatchMethodLimits, type BatchSuitOptions } from "./batch-method.ts";

/** Options of {@link batch}. */
export type BatchOptions<I = never> = BatchMethodLimits &
  BatchSuitOptions<I> & {
    /**
     * The handler does nothing but compute its results, so that items may be run again. When it throws, halves of the batch
     * are run again until the item that makes it throw stands alone, and only that one fails. Default false: all fail.
     */
    readonly pure?: boolean;
  };

/** What {@link batch} gives: a function of one item. */
export type BatchMethod<I, O> = {
  (item: I): Promise<O>;
  /**
   * Changes limits from the next batch on, for instance from `reconfigure`; what is left out stays. `maxOngoingRequests`
   * stays what it was when the replica became ready, by the `maxBatchSize` of then.
   *
   * @throws {InvalidSpecError} as `batch` does.
   */
  configure(limits: Partial<BatchMethodLimits>): void;
};

/**
 * Turns a handler of many items into a function of one. Calls that come while a batch runs form the next one; a call
 * that finds the handler idle runs at once, so nobody waits for a batch to fill and there is nothing to tune.
 *
 * The handler gets the items and one context per item, and returns an array of the same length; an `Error` in it fails
 * that caller alone, a throw fails all, unless the handler is `pure`. Callers whose deadline has passed, or would pass before
 * the batch has run, or who have gone away, are left out. Requests of a higher priority go first, and requests for different
 * model ids never run together. Works the same without a replica, for instance in a unit test.
 *
 * @throws {InvalidSpecError} when a limit cannot be used, with every problem.
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
  options: BatchOptions<I>,
  handler: (items: I[], contexts: RequestContext[]) => Promise<readonly (O | Error)[]> | readonly (O | Error)[],
): BatchMethod<I, Exclude<O, Error>> {
  const queue = new BatchMethodQueue<I, O>({
    madeBy: "batch",
    madeAt: callerLocation(batch),
    options,
    isPure: options.pure === true,
    isEarly: false,
    handler,
    itemOf: (item) => item,
    run: (items, callers) => {
      const requests = callers.map((caller) => caller.request);
      const contexts = requests.map((request) => request.context);
      return runInScope({ kind: "batch", requests }, () => handler(items, contexts));
    },
  });
  const call = (item: I): Promise<O> => {
    const request = currentRequest();
    // Outside the caller's scope: the loop outlives the request that happened to start it.
    return runOutsideScope(() => queue.submit(item, new BatchMethodCaller(request, request.cancellation)));
  };
  const method = Object.assign(call, { configure: (limits: Partial<BatchMethodLimits>) => queue.configure(limits) });
  queue.register(method);
  return method as BatchMethod<I, Exclude<O, Error>>;
}
