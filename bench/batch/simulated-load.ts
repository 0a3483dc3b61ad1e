/** Callers in virtual time: those that come at random and wait for nobody, and those that wait for an answer and come back. */
import type { Random } from "../../core/random.ts";
import { settle, type SimClock } from "../../sim/sim-clock.ts";

/** What comes. */
export type SimulatedLoad =
  | { readonly kind: "closed"; readonly callers: number }
  | { readonly kind: "poisson"; readonly perSecond: number };

/** From an answer to the same caller's next item: half to one and a half times this. */
const ROUND_TRIP_MS = 0.4;

/** What a load runs on. */
export type LoadRun = {
  readonly clock: SimClock;
  readonly arrivals: Random;
  readonly untilMs: number;
  /** Those that came before are not counted. */
  readonly countedFromMs: number;
  /** Resolves with the answer. */
  readonly submit: () => Promise<void>;
};

/** Runs a load to its end, and gives how long each counted item took, the shortest first. */
export async function runSimulatedLoad(load: SimulatedLoad, run: LoadRun): Promise<readonly number[]> {
  const { clock, arrivals, untilMs, countedFromMs, submit } = run;
  const latencies: number[] = [];
  const call = async (): Promise<void> => {
    const at = clock.now();
    await submit();
    if (at >= countedFromMs) latencies.push(clock.now() - at);
  };
  if (load.kind === "closed") {
    for (let caller = 0; caller < load.callers; caller++) {
      const again = (): void => {
        if (clock.now() > untilMs) return;
        void call().then(() => clock.after(ROUND_TRIP_MS * (0.5 + arrivals.next()), again));
      };
      clock.after(2 * arrivals.next(), again);
    }
  } else {
    const next = (): void => {
      void call();
      clock.after((-Math.log(1 - arrivals.next()) * 1_000) / load.perSecond, next);
    };
    next();
  }
  while (clock.step(untilMs)) await settle();
  return latencies.toSorted((one, other) => one - other);
}

/** What `share` of sorted latencies do not exceed. */
export function latencyAt(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
}
