import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * Nothing is thrown that nobody catches, and nothing is logged as an error: those are for bugs of ours. Except in
 * replicas, which log what user code did.
 */
export function createUncaughtCheck(): Check {
  return {
    name: "uncaught",
    observe(_at: number, event: SimEvent) {
      if (event.kind === "uncaught") return event.message;
      if (event.kind !== "logged" || event.level !== "error" || event.process.startsWith("replica")) return undefined;
      return `${event.process} logged: ${event.message}`;
    },
    atEnd: () => undefined,
  };
}
