/** Whether batches still fill where two proxies, who know nothing of one another, send to two replicas. */
import { deployCluster } from "../deployed-cluster.ts";
import { ownLoad } from "../own-load.ts";
import { type Spread, spread } from "../spread.ts";
import { verdict } from "../verdict.ts";
import type { BatchRun, BatchRunOptions } from "./batch-run.ts";
import { batchTotals, meansBetween } from "./batch-totals.ts";
import { mustAllSucceed } from "./load-failures.ts";

type Layout = {
  readonly name: string;
  readonly application: string;
  readonly callers: number;
  readonly flags: string[];
};
type Window = {
  readonly meanBatch: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};
type Figures = { readonly layout: string; readonly windows: readonly Window[] };

const ONE: Layout = { name: "1 proxy, 1 replica, 32 callers", application: "one", callers: 32, flags: [] };
const TWO: Layout = {
  name: "2 proxies, 2 replicas, 64 callers",
  application: "two",
  callers: 64,
  flags: ["--proxies", "2"],
};
const SECONDS = 5;
const WARM_UP_SECONDS = 2;

/** See the head of this file. */
export const PROXIES_RUN: BatchRun = {
  name: "proxies",
  async measure(options) {
    const [one, two] = [await measureLayout(ONE, options), await measureLayout(TWO, options)];
    const share = of(two, "meanBatch").median / of(one, "meanBatch").median;
    return {
      title: "proxies: 20 ms and 0.5 ms an item, max batch 32, closed loop",
      table: [["layout", "mean batch", "items/s", "p50 ms", "p99 ms"], rowOf(one), rowOf(two)],
      notes: [],
      figures: [one, two],
      promises: [verdict("proxies: mean batch of two ≥ 0.8 × that of one", share, { least: 0.8 })],
    };
  },
};

async function measureLayout(layout: Layout, options: BatchRunOptions): Promise<Figures> {
  const { cores, seconds = SECONDS, rounds } = options;
  const cluster = await deployCluster("bench/batch/app.ts", cores.serve, layout.flags);
  try {
    const url = `${cluster.url}/${layout.application}`;
    const load = { url, body: "1", connectionCount: layout.callers, timeoutMs: 10_000, core: cores.load };
    await ownLoad({ ...load, seconds: WARM_UP_SECONDS });
    const windows: Window[] = [];
    for (let round = 0; round < rounds; round++) {
      const before = await batchTotals(cluster.url, layout.application);
      const report = await ownLoad({ ...load, seconds });
      mustAllSucceed(report);
      const { meanBatch } = meansBetween(before, await batchTotals(cluster.url, layout.application));
      const { p50Ms, p99Ms } = report.latency;
      windows.push({ meanBatch, perSecond: (report.succeeded * 1_000) / report.elapsedMs, p50Ms, p99Ms });
    }
    return { layout: layout.name, windows };
  } finally {
    await cluster.close();
  }
}

function of({ windows }: Figures, key: keyof Window): Spread {
  return spread(windows.map((window) => window[key]));
}

function rowOf(figures: Figures): readonly string[] {
  const cells = (["meanBatch", "perSecond", "p50Ms", "p99Ms"] as const).map((key) => {
    const { median, min, max } = of(figures, key);
    return `${median.toFixed(1)} (${min.toFixed(1)}–${max.toFixed(1)})`;
  });
  return [figures.layout, ...cells];
}
