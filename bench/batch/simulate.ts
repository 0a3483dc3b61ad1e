/** Policies under the same loads in virtual time: a model of measured run times, callers that come at random or wait. */
import { SimClock } from "../../sim/sim-clock.ts";
import { streamOf } from "../../sim/seed.ts";
import type { Policy } from "./policies.ts";
import { latencyAt, runSimulatedLoad, type SimulatedLoad } from "./simulated-load.ts";

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
  let [batches, items] = [0, 0];
  const model = (size: number): Promise<void> => {
    batches += 1;
    items += size;
    const ms = runMs(size) * (1 + JITTER * (2 * jitter.next() - 1));
    return new Promise((resolve) => void clock.after(ms, resolve));
  };
  const submit = policy(clock, model, maxBatchSize);
  const countedFromMs = untilMs * WARM_UP_SHARE;
  const latencies = await runSimulatedLoad(load, { clock, arrivals, untilMs, countedFromMs, submit });
  return {
    itemsPerSecond: latencies.length / (seconds * (1 - WARM_UP_SHARE)),
    p50Ms: latencyAt(latencies, 0.5),
    p99Ms: latencyAt(latencies, 0.99),
    meanBatch: items / batches,
  };
}
