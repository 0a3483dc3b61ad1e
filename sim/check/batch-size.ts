import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** No batch is larger than `maxBatchSize`, and none is empty. */
export function createBatchSizeCheck(): Check {
  return {
    name: "batch-size",
    observe(_at: number, event: SimEvent) {
      if (event.kind !== "batchRun" || (event.items.length > 0 && event.items.length <= event.maxBatchSize))
        return undefined;
      return `${event.replica} ran a batch of ${event.items.length}, maxBatchSize is ${event.maxBatchSize}`;
    },
    atEnd: () => undefined,
  };
}
