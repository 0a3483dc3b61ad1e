import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** No worker follows a controller that was replaced, nor an assignment that a later one of the same controller overtook. */
export function createEpochsCheck(): Check {
  const newest = new Map<string, { readonly epoch: number; readonly generation: number }>();
  return {
    name: "epochs",
    observe(_at: number, event: SimEvent) {
      if (event.kind !== "assigned") return undefined;
      const { node, epoch, generation } = event;
      const before = newest.get(node);
      newest.set(node, { epoch, generation });
      if (before === undefined || epoch > before.epoch) return undefined;
      if (epoch === before.epoch && generation >= before.generation) return undefined;
      return `${node} followed assignment ${epoch}.${generation} after ${before.epoch}.${before.generation}`;
    },
    atEnd: () => undefined,
  };
}
