import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** Time a router gets to tell a client that its deadline passed. */
const LATE_MS = 250;

type Open = { readonly router: string; readonly startedAt: number; readonly timeoutMs: number };

/** Each request ends exactly once, and no later than its deadline; a router that was stopped tells it when it goes on. */
export function createEndsOnceCheck(): Check & { readonly openCount: () => number } {
  const open = new Map<string, Open>();
  const seen = new Set<string>();
  /** Router → when the last fault that hit it ended. */
  const faultEnds = new Map<string, number>();
  const ended = (at: number, request: string): string | undefined => {
    const started = open.get(request);
    if (started === undefined) {
      return seen.has(request) ? `request ${request} ended twice` : `request ${request} ended but never began`;
    }
    open.delete(request);
    const dueAt = Math.max(started.startedAt + started.timeoutMs, faultEnds.get(started.router) ?? 0);
    const lateMs = at - dueAt;
    return lateMs > LATE_MS ? `request ${request} ended ${lateMs.toFixed(0)} ms after its deadline` : undefined;
  };
  return {
    name: "ends-once",
    openCount: () => open.size,
    observe(at: number, event: SimEvent) {
      switch (event.kind) {
        case "requestStarted":
          if (seen.has(event.request)) return `request ${event.request} began twice`;
          seen.add(event.request);
          open.set(event.request, { router: event.router, startedAt: at, timeoutMs: event.timeoutMs });
          return undefined;
        case "requestEnded":
          return ended(at, event.request);
        case "fault":
          faultEnds.set(event.target, event.action === "begin" ? Number.POSITIVE_INFINITY : at);
          return undefined;
        case "requestOrphaned":
          open.delete(event.request);
          return undefined;
        default:
          return undefined;
      }
    },
    atEnd() {
      const first = [...open.keys()][0];
      return first === undefined ? undefined : `${open.size} requests never ended, the first is ${first}`;
    },
  };
}
