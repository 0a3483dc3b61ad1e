/**
 * A model that takes 100 ms for any batch up to 32, under callers that come at random and wait for nobody. The ideal beside
 * it has the same arrivals and the run time the handler was measured to take on average, a timer's lateness included, and
 * loses nothing to anything else.
 */
import type { Verdict } from "../verdict.ts";
import { verdict } from "../verdict.ts";
import { deployCluster } from "../deployed-cluster.ts";
import { ownLoad } from "../own-load.ts";
import type { BatchRun, BatchRunOptions } from "./batch-run.ts";
import { batchTotals, meansBetween } from "./batch-totals.ts";
import { arrivalTimes, idealLatencies } from "./ideal.ts";
import { formatFailures } from "./load-failures.ts";
import { SLEEP } from "./models.ts";

const RATES = [20, 100, 200, 250, 300];
/** Where a queue forms by chance alone, the ideal's queue is what a wait can be held against. */
const NEAR_CAPACITY = 300;
const SECONDS = 30;
const WARM_UP = { ratePerSecond: 50, seconds: 2 };
const LOAD = { body: "1", arrivals: "poisson", connectionCount: 4_096, timeoutMs: 30_000 } as const;

type Figures = {
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly idealP50Ms: number;
  readonly idealP99Ms: number;
  readonly meanBatch: number;
  readonly meanRunMs: number;
  readonly lagP99Ms: number;
  readonly failed: number;
  readonly failures: string;
};

/** See the head of this file. */
export const SLEEP_RUN: BatchRun = {
  name: "sleep",
  async measure(options) {
    const { cores, seconds = SECONDS } = options;
    const cluster = await deployCluster("bench/batch/app.ts", cores.serve, []);
    try {
      await ownLoad({ ...LOAD, ...WARM_UP, url: `${cluster.url}/sleep`, core: cores.load });
      const figures: Figures[] = [];
      for (const ratePerSecond of RATES) figures.push(await measureRate(cluster.url, ratePerSecond, options));
      return {
        title: `sleep: ${String(SLEEP.runMs)} ms, max batch ${String(SLEEP.maxBatchSize)}, Poisson, ${String(seconds)} s each`,
        table: [
          [
            "rate/s",
            "p50 ms",
            "ideal",
            "p99 ms",
            "ideal",
            "max ms",
            "mean batch",
            "run ms",
            "load's lag p99",
            "failed",
          ],
          ...figures.map(rowOf),
        ],
        notes: ["the ideal's run time is the handler's mean as measured in the same window (run ms)"],
        figures,
        promises: figures.flatMap(promisesOf),
      };
    } finally {
      await cluster.close();
    }
  },
};

async function measureRate(url: string, ratePerSecond: number, options: BatchRunOptions): Promise<Figures> {
  const { cores, seconds = SECONDS } = options;
  const load = { ...LOAD, url: `${url}/sleep`, core: cores.load, ratePerSecond, seconds, seed: ratePerSecond };
  const before = await batchTotals(url, "sleep");
  const report = await ownLoad(load);
  const { meanBatch, meanRunMs } = meansBetween(before, await batchTotals(url, "sleep"));
  const arrivedAt = arrivalTimes(report.sent, ratePerSecond, LOAD.arrivals, load.seed);
  const ideal = idealLatencies(arrivedAt, SLEEP.maxBatchSize, meanRunMs);
  const { p50Ms, p99Ms, maxMs } = report.latency;
  return {
    ratePerSecond,
    ...{ p50Ms, p99Ms, maxMs, meanBatch, meanRunMs },
    idealP50Ms: ideal.p50Ms,
    idealP99Ms: ideal.p99Ms,
    lagP99Ms: report.lag.p99Ms,
    failed: report.sent - report.succeeded,
    failures: formatFailures(report),
  };
}

function rowOf(one: Figures): readonly string[] {
  const { ratePerSecond, p50Ms, idealP50Ms, p99Ms, idealP99Ms, maxMs, meanBatch, meanRunMs, lagP99Ms, failures } = one;
  const numbers = [p50Ms, idealP50Ms, p99Ms, idealP99Ms, maxMs, meanBatch, meanRunMs, lagP99Ms];
  return [String(ratePerSecond), ...numbers.map((value) => value.toFixed(1)), failures];
}

function promisesOf(one: Figures): readonly Verdict[] {
  const at = `sleep, ${String(one.ratePerSecond)}/s`;
  const refused = verdict(`${at}: nothing refused or failed`, one.failed, { most: 0 });
  if (one.ratePerSecond < NEAR_CAPACITY) {
    return [
      verdict(`${at}: p50 ≤ 175 ms`, one.p50Ms, { most: 175 }),
      verdict(`${at}: p99 ≤ 260 ms`, one.p99Ms, { most: 260 }),
      refused,
    ];
  }
  const share = (ms: number, idealMs: number): number => ms / (1.1 * idealMs + 10);
  return [
    verdict(`${at}: p50 ÷ (1.1 × ideal + 10 ms) ≤ 1`, share(one.p50Ms, one.idealP50Ms), { most: 1 }),
    verdict(`${at}: p99 ÷ (1.1 × ideal + 10 ms) ≤ 1`, share(one.p99Ms, one.idealP99Ms), { most: 1 }),
    refused,
  ];
}
