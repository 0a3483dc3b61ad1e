import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * The retry rule, seen from the replicas: a request that is not idempotent is accepted by one replica at most, and a
 * client is told `ok` only if a replica returned that.
 */
export function createRunsOnceCheck(): Check {
  const isIdempotent = new Map<string, boolean>();
  const invokedBy = new Map<string, string>();
  const returned = new Set<string>();
  return {
    name: "runs-once",
    observe(_at: number, event: SimEvent) {
      switch (event.kind) {
        case "requestStarted":
          isIdempotent.set(event.request, event.isIdempotent);
          return undefined;
        case "invoked": {
          // Calls that replicas make for a request are not known here: they run as often as their caller does.
          if (isIdempotent.get(event.request) !== false) return undefined;
          const earlier = invokedBy.get(event.request);
          invokedBy.set(event.request, event.replica);
          if (earlier === undefined) return undefined;
          return `request ${event.request} is not idempotent, ran on ${earlier} and again on ${event.replica}`;
        }
        case "returned":
          if (event.outcome === "ok") returned.add(event.request);
          return undefined;
        case "requestEnded":
          if (event.outcome !== "ok" || returned.has(event.request)) return undefined;
          return `request ${event.request} ended ok but no replica answered it`;
        default:
          return undefined;
      }
    },
    atEnd: () => undefined,
  };
}
