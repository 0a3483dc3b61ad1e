import type { LoadReport } from "../../../load/load-report.ts";
import { ownLoad } from "../../own-load.ts";
import { smallBody } from "../work.ts";
import { type Load, summaryOf } from "./load.ts";

/** 20 ms with 16 slots and two replicas, as app.ts has it. */
export const CAPACITY_PER_SECOND = 1_600;
const TIMES_CAPACITY = 3;
/** A window lasts so many times what the others do: a queue must fill before anything can be said. */
const WINDOWS = 15;
const CALM_PER_SECOND = 100;
const BASE = { body: smallBody(), connectionCount: 8_192, timeoutMs: 10_000 } as const;

/** Three times as many requests as the model can answer. */
export const OVERLOAD_LOADS: readonly Load[] = [
  {
    name: `overload: ${String(TIMES_CAPACITY)} × the capacity of ${String(CAPACITY_PER_SECOND)}/s`,
    designs: ["llhttp", "node"],
    isRepeated: false,
    columns: [
      { key: "goodputRatio", title: "goodput ÷ capacity", digits: 3 },
      { key: "admittedP50Ms", title: "admitted p50 ms", digits: 0 },
      { key: "admittedP99Ms", title: "admitted p99 ms", digits: 0 },
      { key: "refusedP50Ms", title: "refused p50 ms", digits: 2 },
      { key: "refusedP99Ms", title: "refused p99 ms", digits: 1 },
      { key: "retryAfterRatio", title: "with retry-after", digits: 3 },
      { key: "unanswered", title: "unanswered", digits: 0 },
      { key: "calmP50Ms", title: "p50 before", digits: 1 },
      { key: "firstSecondP50Ms", title: "1st s after", digits: 1 },
      { key: "secondSecondP50Ms", title: "2nd s after", digits: 1 },
      { key: "lagP99Ms", title: "load's lag p99", digits: 1 },
    ],
    async measure(design, { cores, seconds }) {
      const options = { ...BASE, url: `${design.url}/slow`, core: cores.load };
      const calm = (): Promise<LoadReport> => ownLoad({ ...options, ratePerSecond: CALM_PER_SECOND, seconds: 1 });
      const before = await calm();
      const ratePerSecond = CAPACITY_PER_SECOND * TIMES_CAPACITY;
      const report = await ownLoad({ ...options, ratePerSecond, seconds: seconds * WINDOWS });
      const [first, second] = [await calm(), await calm()];
      const refused = summaryOf(report.latencyByOutcome, "503");
      return {
        goodputRatio: report.succeeded / (report.elapsedMs / 1_000) / CAPACITY_PER_SECOND,
        admittedP50Ms: report.latency.p50Ms,
        admittedP99Ms: report.latency.p99Ms,
        refusedP50Ms: refused.p50Ms,
        refusedP99Ms: refused.p99Ms,
        retryAfterRatio: report.retryAfterCount / refused.count,
        unanswered: report.unansweredCount,
        calmP50Ms: before.latency.p50Ms,
        firstSecondP50Ms: first.latency.p50Ms,
        secondSecondP50Ms: second.latency.p50Ms,
        lagP99Ms: report.lag.p99Ms,
      };
    },
  },
];
