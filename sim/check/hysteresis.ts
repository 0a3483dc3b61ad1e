import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** A target is decided and told in one turn, which may wait for the disk. */
const TURN_MS = 1_500;

/** No target falls for want of load sooner after it rose than `downscaleDelayMs` allows: replicas do not come and go. */
export function createHysteresisCheck(): Check {
  /** The shortest delay that was asked for. */
  const delays = new Map<string, number>();
  /** Controller and deployment → what it decided last, and when that was more than before. */
  const decided = new Map<string, { readonly target: number; readonly roseAt: number }>();
  const onTarget = (
    at: number,
    { by, about, target = 0, reason }: Extract<SimEvent, { kind: "decision" }>,
  ): string | undefined => {
    const key = `${by} ${about}`;
    const before = decided.get(key);
    const isRise = before !== undefined && target > before.target && reason !== "loadFell";
    const roseAt = isRise ? at : (before?.roseAt ?? Number.NEGATIVE_INFINITY);
    decided.set(key, { target, roseAt });
    const delayMs = delays.get(about) ?? 0;
    if (reason !== "loadFell" || before === undefined || target >= before.target || at - roseAt >= delayMs - TURN_MS)
      return undefined;
    const sinceMs = (at - roseAt).toFixed(0);
    return `${about} goes from ${before.target} to ${target} replicas ${sinceMs} ms after it rose, downscaleDelayMs is ${delayMs.toFixed(0)}`;
  };
  return {
    name: "hysteresis",
    observe(at: number, event: SimEvent) {
      if (event.kind === "deployAsked") {
        for (const { id, isAutoscaled, downscaleDelayMs } of event.deployments) {
          if (isAutoscaled) delays.set(id, Math.min(downscaleDelayMs, delays.get(id) ?? downscaleDelayMs));
        }
      }
      // What somebody asks for by hand is where scaling goes on from.
      if (event.kind === "handAsked") {
        for (const key of [...decided.keys()]) if (key.endsWith(` ${event.about}`)) decided.delete(key);
      }
      return event.kind === "decision" && event.action === "setTarget" ? onTarget(at, event) : undefined;
    },
    atEnd: () => undefined,
  };
}
