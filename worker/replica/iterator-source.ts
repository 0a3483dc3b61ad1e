import { runInScope, type CurrentScope } from "../../core/request-scope.ts";
import type { PumpSource, PumpStep } from "./body-pump.ts";

/** What user code may give back to answer piece by piece. */
export type Iterated = AsyncIterator<unknown> | Iterator<unknown>;

/**
 * The iterator of a result that is a stream: anything with an async iterator, or a generator. A list, a Map and whatever
 * else can be iterated again is a value; undefined for those.
 */
export function iteratorOf(result: unknown): Iterated | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  if (Symbol.asyncIterator in result) return (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  if (!(Symbol.iterator in result) || !("next" in result)) return undefined;
  return (result as Iterable<unknown>)[Symbol.iterator]();
}

/** Pumps from an iterator of user code; it is ended in the request's scope, whoever ends it. */
export function sourceOf(iterator: Iterated, scope: CurrentScope): PumpSource {
  return {
    next: () => iterator.next() as PromiseLike<PumpStep> | PumpStep,
    stop: () => runInScope(scope, () => iterator.return?.()),
  };
}
