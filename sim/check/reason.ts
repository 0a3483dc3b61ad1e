import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** Every decision says why. */
export function createReasonCheck(): Check {
  return {
    name: "reason",
    observe(_at: number, event: SimEvent) {
      if (event.kind !== "decision" || event.reason.trim() !== "") return undefined;
      return `${event.by} decided ${event.action} about ${event.about} without a reason`;
    },
    atEnd: () => undefined,
  };
}
