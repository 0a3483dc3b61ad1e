/**
 * How requests are spread over replicas that batch, in virtual time: evenly, as the router does, or so that one replica's next
 * batch is filled before another's.
 *
 *   node --conditions=thornback-source bench/batch/spreading.ts [--seconds 20] [--seed 1]
 */
import { parseArgs } from "node:util";
import type { BatchCaller } from "../../batching/batch-entry.ts";
import { Batcher } from "../../batching/batcher.ts";
import { table } from "../../cli/print.ts";
import { Cancellation } from "../../core/cancellation.ts";
import type { Random } from "../../core/random.ts";
import { streamOf } from "../../sim/seed.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { latencyAt, runSimulatedLoad, type SimulatedLoad } from "./simulated-load.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "20" }, seed: { type: "string", default: "1" } },
});
const REPLICAS = 4;
const MAX_BATCH_SIZE = 32;
const CALLER: BatchCaller = { deadlineAt: Number.POSITIVE_INFINITY, cancellation: new Cancellation() };
const runMs = (size: number): number => 5 + 0.3 * size;

/** One replica as a router sees it. */
type Replica = { readonly batcher: Batcher<undefined, undefined, BatchCaller>; ongoing: number };

/** The replica for the next request; all have a free slot. */
type Spread = (replicas: readonly Replica[], random: Random) => Replica | undefined;

const SPREADS: Readonly<Record<string, Spread>> = {
  "of two at random the less busy": (replicas, random) => least(distinct(replicas, random, 2)),
  "the least busy of all": (replicas, random) => least(distinct(replicas, random, REPLICAS)),
  "an idle one, else the busiest below a batch": (replicas) =>
    replicas.find(({ ongoing }) => ongoing === 0) ?? fullest(replicas, MAX_BATCH_SIZE),
  "the busiest below a batch": (replicas) => fullest(replicas, MAX_BATCH_SIZE),
};

function least(replicas: readonly Replica[]): Replica | undefined {
  return replicas.toSorted((one, other) => one.ongoing - other.ongoing)[0];
}

function distinct(replicas: readonly Replica[], random: Random, count: number): Replica[] {
  const rest = [...replicas];
  const picked: Replica[] = [];
  while (picked.length < count) picked.push(...rest.splice(Math.floor(random.next() * rest.length), 1));
  return picked;
}

function fullest(replicas: readonly Replica[], below: number): Replica | undefined {
  const open = replicas.filter(({ ongoing }) => ongoing < below);
  return (open.length > 0 ? open : replicas).toSorted((one, other) =>
    open.length > 0 ? other.ongoing - one.ongoing : one.ongoing - other.ongoing,
  )[0];
}

async function simulate(spread: Spread, load: SimulatedLoad): Promise<readonly string[]> {
  const clock = new SimClock();
  const seed = Number(values.seed);
  const untilMs = Number(values.seconds) * 1_000;
  const [arrivals, draws] = [streamOf(seed, "arrivals"), streamOf(seed, "draws")];
  let [batches, items] = [0, 0];
  const run = async (inputs: undefined[]): Promise<undefined[]> => {
    batches += 1;
    items += inputs.length;
    await new Promise<void>((resolve) => void clock.after(runMs(inputs.length), resolve));
    return inputs;
  };
  const replicas = Array.from({ length: REPLICAS }, (): Replica => {
    const defer = (callback: () => void): void => void clock.after(0, callback);
    const deps = { clock, defer, metrics: undefined };
    return { batcher: new Batcher(deps, { maxBatchSize: MAX_BATCH_SIZE, name: () => "model", run }), ongoing: 0 };
  });
  const submit = async (): Promise<void> => {
    const replica = spread(replicas, draws);
    if (replica === undefined) throw new Error("no replica has a free slot");
    replica.ongoing += 1;
    await replica.batcher.submit(undefined, CALLER);
    replica.ongoing -= 1;
  };
  const latencies = await runSimulatedLoad(load, { clock, arrivals, untilMs, countedFromMs: 0, submit });
  const at = (share: number): string => latencyAt(latencies, share).toFixed(2);
  const perSecond = (latencies.length / untilMs) * 1_000;
  return [perSecond.toFixed(0), at(0.5), at(0.99), (items / batches).toFixed(1)];
}

const capacity = (REPLICAS * MAX_BATCH_SIZE * 1_000) / runMs(MAX_BATCH_SIZE);
const loads: Readonly<Record<string, SimulatedLoad>> = {
  ...Object.fromEntries([4, 16, 64, 128, 256].map((callers) => [`${callers} callers`, { kind: "closed", callers }])),
  ...Object.fromEntries(
    [0.2, 0.5, 0.8, 0.95].map((share) => [
      `Poisson, ${share * 100} % of capacity`,
      { kind: "poisson", perSecond: capacity * share },
    ]),
  ),
};
const rows = [["load", "requests go to", "items/s", "p50 ms", "p99 ms", "mean batch"]];
for (const [name, load] of Object.entries(loads)) {
  for (const [spreadName, spread] of Object.entries(SPREADS))
    rows.push([name, spreadName, ...(await simulate(spread, load))]);
}
console.log(table(rows));
