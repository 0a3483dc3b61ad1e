/** Policies under the same loads in virtual time: a model of measured run times, callers that come at random or wait. */
import { SimClock, settle } from "../../sim/sim-clock.ts";
import { streamOf } from "../../sim/seed.ts";
import type { Policy } from "./policies.ts";

/** What comes. */
export type SimulatedLoad =
  | { readonly kind: "closed"; readonly callers: number }
  | { readonly kind: "poisson"; readonly perSecond: number };

/** What came of it. */
export type SimulatedFigures = {
  readonly itemsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly meanBatch: number;
};

/** What is simulated. */
export type Simulation = {
  readonly policy: Policy;
  readonly load: SimulatedLoad;
  /** Run time by size, from 1. */
  readonly runMs: (size: number) => number;
  readonly maxBatchSize: number;
  readonly seconds: number;
  readonly seed: number;
};

/** A run is up to this much longer or shorter than the next. */
const JITTER = 0.05;
/** From an answer to the same caller's next item: half to one and a half times this. */
const ROUND_TRIP_MS = 0.4;
const WARM_UP_SHARE = 0.1;

/** Simulates one policy under one load; the same seed gives the same arrivals to all policies. */
export async function simulate({
  policy,
  load,
  runMs,
  maxBatchSize,
  seconds,
  seed,
}: Simulation): Promise<SimulatedFigures> {
  const clock = new SimClock();
  const arrivals = streamOf(seed, "arrivals");
  const jitter = streamOf(seed, "jitter");
  const untilMs = seconds * 1_000;
  const latencies: number[] = [];
  let [batches, items] = [0, 0];
  const model = (size: number): Promise<void> => {
    batches += 1;
    items += size;
    const ms = runMs(size) * (1 + JITTER * (2 * jitter.next() - 1));
    return new Promise((resolve) => void clock.after(ms, resolve));
  };
  const submit = policy(clock, model, maxBatchSize);
  const call = async (): Promise<void> => {
    const at = clock.now();
    await submit();
    if (at > untilMs * WARM_UP_SHARE) latencies.push(clock.now() - at);
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
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return {
    itemsPerSecond: latencies.length / (seconds * (1 - WARM_UP_SHARE)),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    meanBatch: items / batches,
  };
}
