import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * Nothing is thrown that nobody catches, and nothing is logged as an error: those are for bugs of ours. Except in
 * replicas, which log what user code did.
 */
export function createUncaughtCheck(): Check {
  /** Controllers that were replaced: what they cannot do any more they rightly call an error. */
  const replaced = new Set<string>();
  return {
    name: "uncaught",
    observe(_at: number, event: SimEvent) {
      if (event.kind === "fault" && event.fault === "replaceController") replaced.add(event.target);
      if (event.kind === "uncaught") return event.message;
      if (event.kind !== "logged" || event.level !== "error" || event.process.startsWith("replica")) return undefined;
      if (replaced.has(event.process)) return undefined;
      return `${event.process} logged: ${event.message}`;
    },
    atEnd: () => undefined,
  };
}
