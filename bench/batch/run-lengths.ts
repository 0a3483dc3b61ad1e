/**
 * Items of very different lengths for a model that pads each to the longest of its batch. What it can reach at best are the
 * same lengths sorted and cut into full batches, by the model's own arithmetic.
 */
import { deployCluster } from "../deployed-cluster.ts";
import { ownLoad } from "../own-load.ts";
import { type Spread, spread } from "../spread.ts";
import { verdict } from "../verdict.ts";
import { askFigures } from "./ask-figures.ts";
import type { BatchRun, BatchRunOptions } from "./batch-run.ts";
import { batchTotals, meansBetween } from "./batch-totals.ts";
import { drawLengths } from "./lengths.ts";
import { mustAllSucceed } from "./load-failures.ts";
import { PADDED } from "./models.ts";

const CALLERS = 256;
const SECONDS = 15;
const WARM_UP_SECONDS = 3;
const LENGTHS = drawLengths(64 * PADDED.maxBatchSize, 1);

type Counted = { readonly items: number; readonly tokens: number; readonly padded: number };
type Window = {
  readonly padding: number;
  readonly tokensPerSecond: number;
  readonly meanBatch: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

/** See the head of this file. */
export const LENGTHS_RUN: BatchRun = {
  name: "lengths",
  async measure(options) {
    const windows = await measureWindows(options);
    const ideal = sortedTokensPerSecond(LENGTHS);
    const of = (key: keyof Window): Spread => spread(windows.map((window) => window[key]));
    const cell = (key: keyof Window, digits: number): string => {
      const { median, min, max } = of(key);
      return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
    };
    const [padding, share] = [of("padding").median, of("tokensPerSecond").median / ideal];
    return {
      title: `lengths: log-normal 8–512, ${String(CALLERS)} callers, max batch ${String(PADDED.maxBatchSize)}, buckets by length`,
      table: [
        ["padding", "tokens/s", "sorted", "mean batch", "p50 ms", "p99 ms", "max ms"],
        [
          cell("padding", 3),
          cell("tokensPerSecond", 0),
          ideal.toFixed(0),
          ...[cell("meanBatch", 1), cell("p50Ms", 0), cell("p99Ms", 0), cell("maxMs", 0)],
        ],
      ],
      notes: [`${String(LENGTHS.length)} lengths, each in turn; sorted: computed from them and the model's time`],
      figures: windows.map((window) => ({ ...window, sortedTokensPerSecond: ideal })),
      promises: [
        verdict("lengths: padding share < 0.15", padding, { most: 0.15 }),
        verdict("lengths: tokens/s ≥ 0.85 × sorted batches", share, { least: 0.85 }),
      ],
    };
  },
};

async function measureWindows({ cores, seconds = SECONDS, rounds }: BatchRunOptions): Promise<readonly Window[]> {
  const cluster = await deployCluster("bench/batch/app.ts", cores.serve, []);
  try {
    const url = `${cluster.url}/padded`;
    const body = LENGTHS.map(String);
    const load = { url, body, connectionCount: CALLERS, timeoutMs: 20_000, core: cores.load };
    await ownLoad({ ...load, seconds: WARM_UP_SECONDS });
    const windows: Window[] = [];
    for (let round = 0; round < rounds; round++) {
      const [before, totals] = [await askFigures<Counted>(url), await batchTotals(cluster.url, "padded")];
      const report = await ownLoad({ ...load, seconds });
      mustAllSucceed(report);
      const [after, { meanBatch }] = [
        await askFigures<Counted>(url),
        meansBetween(totals, await batchTotals(cluster.url, "padded")),
      ];
      const tokens = after.tokens - before.tokens;
      const { p50Ms, p99Ms, maxMs } = report.latency;
      windows.push({
        padding: 1 - tokens / (after.padded - before.padded),
        tokensPerSecond: (tokens * 1_000) / report.elapsedMs,
        ...{ meanBatch, p50Ms, p99Ms, maxMs },
      });
    }
    return windows;
  } finally {
    await cluster.close();
  }
}

function sortedTokensPerSecond(lengths: readonly number[]): number {
  const sorted = lengths.toSorted((a, b) => a - b);
  const { maxBatchSize, runMs } = PADDED;
  let [tookMs, tokens] = [0, 0];
  for (let at = 0; at < sorted.length; at += maxBatchSize) {
    const batch = sorted.slice(at, at + maxBatchSize);
    tookMs += runMs(batch.length, batch.at(-1) ?? 0);
    tokens += batch.reduce((total, length) => total + length, 0);
  }
  return (tokens * 1_000) / tookMs;
}
