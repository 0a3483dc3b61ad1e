import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * A batch computes nothing for nobody: each item is of a request that is open at its replica, in time, and there as often as
 * it is open. That may be more than once: two replicas that were given one request both call a third for it.
 */
export function createBatchItemsCheck(): Check {
  const open = new Map<string, number>();
  const count = (key: string, by: number): void => void open.set(key, (open.get(key) ?? 0) + by);
  return {
    name: "batch-items",
    observe(_at: number, event: SimEvent) {
      if (event.kind === "invoked") count(`${event.replica} ${event.request}`, 1);
      else if (event.kind === "returned") count(`${event.replica} ${event.request}`, -1);
      if (event.kind !== "batchRun") return undefined;
      const { replica, items } = event;
      const seen = new Map<string, number>();
      for (const { request, leftMs } of items) {
        if (leftMs <= 0) return `${replica} ran an item of ${request} ${-leftMs} ms after its deadline`;
        const openCount = open.get(`${replica} ${request}`) ?? 0;
        const seenCount = (seen.get(request) ?? 0) + 1;
        seen.set(request, seenCount);
        if (openCount === 0) return `${replica} ran an item of ${request}, which has ended there`;
        if (seenCount > openCount) return `${replica} ran an item of ${request} twice in one batch`;
      }
      return undefined;
    },
    atEnd: () => undefined,
  };
}
