import type { Clock } from "../../core/clock.ts";

/** A clock of which time passes as soon as somebody waits for it. */
export function eagerClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    wallTime: () => now,
    after(delayMs, callback) {
      now += delayMs;
      queueMicrotask(callback);
      return { cancel() {} };
    },
  };
}
