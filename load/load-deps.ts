import { type Clock, type Defer, systemClock, systemDefer } from "../core/clock.ts";
import { type Random, systemRandom } from "../core/random.ts";

/** What a load takes from its surroundings. */
export type LoadDeps = { readonly clock: Clock; readonly random: Random; readonly defer: Defer };

/** The machine's own, with timers that keep the process alive: a load that waits for its next request is not done. */
export const machineLoadDeps: LoadDeps = {
  clock: {
    ...systemClock,
    after(delayMs, callback) {
      const handle = setTimeout(callback, delayMs);
      return { cancel: () => clearTimeout(handle) };
    },
  },
  random: systemRandom,
  defer: systemDefer,
};
