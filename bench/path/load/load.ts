import type { CorePlan } from "../cores.ts";
import type { DesignName, RunningDesign } from "../design.ts";
import type { LatencySummary } from "../../../load/latency-histogram.ts";
import { cpuMicros } from "../process-figures.ts";
import type { Route } from "../design.ts";

/** Figures of one window, by name. NaN: there was none. */
export type Figures = Readonly<Record<string, number>>;

/** A figure as it is printed; `ratio`: also against the bare server's of the same round. */
export type Column = {
  readonly key: string;
  readonly title: string;
  readonly digits: number;
  readonly ratio?: boolean;
};

/** One in a thousand may be lost when a load ends in the midst of it. */
const MOST_FAILED_RATIO = 0.001;

/** What every window is told. */
export type WindowOptions = { readonly cores: CorePlan; readonly seconds: number };

/** A load, measured in windows that alternate between designs. */
export type Load = {
  readonly name: string;
  readonly designs: readonly DesignName[];
  readonly columns: readonly Column[];
  /** False: one long window each, for what is no matter of chance. Default true. */
  readonly isRepeated?: boolean;
  /** It measures what a request costs: see keepBusy. Default false. */
  readonly isCpuBound?: boolean;
  /** It measures when something comes, not how much: see planForTiming. Default false. */
  readonly isTiming?: boolean;
  measure(design: RunningDesign, options: WindowOptions): Promise<Figures>;
};

/** Columns of loads that count requests. */
export const REQUEST_COLUMNS: readonly Column[] = [
  { key: "perSecond", title: "req/s", digits: 0, ratio: true },
  { key: "p50Ms", title: "p50 ms", digits: 3, ratio: true },
  { key: "p99Ms", title: "p99 ms", digits: 2 },
  { key: "proxyMicros", title: "proxy µs/req", digits: 1, ratio: true },
  { key: "replicaMicros", title: "replica µs/req", digits: 1 },
  { key: "failed", title: "failed", digits: 0 },
];

/** CPU time that proxies and replicas took while something went on. */
export async function withCpu<T>(
  design: RunningDesign,
  route: Route,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly proxyMicros: number; readonly replicaMicros: number }> {
  const replicaPids = design.replicaPids(route);
  const before = [cpuMicros(design.proxyPids), cpuMicros(replicaPids)] as const;
  const result = await work();
  return {
    result,
    proxyMicros: cpuMicros(design.proxyPids) - before[0],
    replicaMicros: cpuMicros(replicaPids) - before[1],
  };
}

/** Requests that fail cost little, and would make a broken server look fast. */
export function mustSucceed(failed: number, requests: number): void {
  if (requests > 0 && failed <= requests * MOST_FAILED_RATIO) return;
  throw new Error(`${String(failed)} of ${String(requests)} requests failed`);
}

/** The summary of one outcome; of nothing where nobody had it. */
export function summaryOf(summaries: Readonly<Record<string, LatencySummary>>, outcome: string): LatencySummary {
  const none = Number.NaN;
  const nothing = { count: 0, meanMs: none, p50Ms: none, p90Ms: none, p99Ms: none, p999Ms: none, maxMs: none };
  return summaries[outcome] ?? nothing;
}
