import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** Timers that a process has when it rests: those that come again and again, and some of each connection. */
const MOST_TIMERS = 8;

/** When all load has gone, no router counts a request any more and no timer of one is left. */
export function createLeftCheck(): Check {
  return {
    name: "left",
    observe(_at: number, event: SimEvent) {
      if (event.kind !== "left") return undefined;
      const { process, role, timers, requests } = event;
      if (requests > 0) return `${process} (${role}) still counts ${requests} requests`;
      return timers > MOST_TIMERS ? `${process} (${role}) still has ${timers} timers` : undefined;
    },
    atEnd: () => undefined,
  };
}
