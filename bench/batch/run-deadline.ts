/** Twice as many callers as the model can answer, none of whom waits longer than 150 ms. */
import { deployCluster } from "../deployed-cluster.ts";
import { ownLoad } from "../own-load.ts";
import { verdict } from "../verdict.ts";
import { askFigures } from "./ask-figures.ts";
import type { BatchRun } from "./batch-run.ts";
import { batchTotals, meansBetween } from "./batch-totals.ts";
import { formatFailures } from "./load-failures.ts";
import { DEADLINE } from "./models.ts";

const CAPACITY_PER_SECOND = (DEADLINE.maxBatchSize * 1_000) / DEADLINE.runMs;
const TIMES_CAPACITY = 2;
const DEADLINE_MS = 150;
/** An answer given in time is still on its way for a moment. */
const WIRE_MS = 10;
const SECONDS = 20;
const LOAD = {
  body: "1",
  headers: { "x-thornback-timeout-ms": String(DEADLINE_MS) },
  arrivals: "poisson",
  connectionCount: 4_096,
  timeoutMs: 5_000,
} as const;

/** See the head of this file. */
export const DEADLINE_RUN: BatchRun = {
  name: "deadline",
  async measure({ cores, seconds = SECONDS }) {
    const cluster = await deployCluster("bench/batch/app.ts", cores.serve, []);
    try {
      const url = `${cluster.url}/deadline`;
      const load = { ...LOAD, url, core: cores.load, ratePerSecond: CAPACITY_PER_SECOND * TIMES_CAPACITY };
      await ownLoad({ ...load, ratePerSecond: CAPACITY_PER_SECOND / 4, seconds: 2 });
      const before = await batchTotals(cluster.url, "deadline");
      const report = await ownLoad({ ...load, seconds });
      const { meanBatch, meanRunMs } = meansBetween(before, await batchTotals(cluster.url, "deadline"));
      const { items, expired } = await askFigures<{ readonly items: number; readonly expired: number }>(url);
      // From sending: the load's own lateness is no part of what a proxy is asked to keep.
      const { p50Ms, p999Ms, maxMs } = report.fromSending;
      const lagP99Ms = report.lag.p99Ms;
      const goodput = report.succeeded / (report.elapsedMs / 1_000) / CAPACITY_PER_SECOND;
      const counted = { goodput, p50Ms, p999Ms, maxMs, lagP99Ms, meanBatch, meanRunMs, items, expired };
      const cells = [p50Ms, p999Ms, maxMs, meanBatch, meanRunMs, lagP99Ms].map((value) => value.toFixed(1));
      return {
        title: `deadline: ${String(DEADLINE_MS)} ms, ${String(TIMES_CAPACITY)} × the capacity of ${String(CAPACITY_PER_SECOND)}/s, Poisson, ${String(seconds)} s`,
        table: [
          [
            "in time ÷ capacity",
            "p50 ms",
            "p99.9",
            "max",
            "mean batch",
            "run ms",
            "lag p99",
            "run too late",
            "refused",
          ],
          [goodput.toFixed(3), ...cells, String(expired), formatFailures(report)],
        ],
        notes: [],
        figures: [{ ...counted, outcomes: report.outcomes }],
        promises: [
          verdict("deadline: answered in time ≥ 0.9 × capacity", goodput, { least: 0.9 }),
          verdict("deadline: items the handler was given too late", expired, { most: 0 }),
          verdict(`deadline: latest answer ≤ ${String(DEADLINE_MS)} + ${String(WIRE_MS)} ms`, maxMs, {
            most: DEADLINE_MS + WIRE_MS,
          }),
        ],
      };
    } finally {
      await cluster.close();
    }
  },
};
