import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** A batch computes nothing for nobody: each item is of a request that is open at its replica, in time, and there once. */
export function createBatchItemsCheck(): Check {
  const open = new Set<string>();
  return {
    name: "batch-items",
    observe(_at: number, event: SimEvent) {
      if (event.kind === "invoked") open.add(`${event.replica} ${event.request}`);
      else if (event.kind === "returned") open.delete(`${event.replica} ${event.request}`);
      if (event.kind !== "batchRun") return undefined;
      const { replica, items } = event;
      const seen = new Set<string>();
      for (const { request, leftMs } of items) {
        if (leftMs <= 0) return `${replica} ran an item of ${request} ${-leftMs} ms after its deadline`;
        if (!open.has(`${replica} ${request}`)) return `${replica} ran an item of ${request}, which has ended there`;
        if (seen.has(request)) return `${replica} ran an item of ${request} twice in one batch`;
        seen.add(request);
      }
      return undefined;
    },
    atEnd: () => undefined,
  };
}
