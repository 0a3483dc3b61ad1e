import type { Counter, Gauge, Histogram, Metrics } from "../core/metric.ts";
import type { RunReport } from "./batch-run.ts";
import type { BatchDecision } from "./decide/batch.ts";
import type { SelectItem } from "./decide/select.ts";

/** Why a batch was run when it was; `ahead`: before the one before it had ended; `bisect`: to find the item that made another fail. */
export type RunReason = Extract<BatchDecision, { kind: "run" }>["reason"] | "ahead" | "bisect";

/** The series of one batch method. */
export type BatchMetrics = {
  readonly items: Histogram;
  readonly waitSeconds: Histogram;
  readonly runSeconds: Histogram;
  readonly waitingItems: Gauge;
  /** Lengths of items as they are. */
  readonly usefulLength: Counter;
  /** What was added to them so that all of a batch had one length. */
  readonly paddingLength: Counter;
  readonly runs: (reason: RunReason) => Counter;
  readonly expectedRunSeconds: (items: number) => Gauge;
};

/** Looks up the series of one batch method; those with one more label when they are first used. */
export function batchMetrics(metrics: Metrics, deployment: string, method: string): BatchMetrics {
  const labels = { deployment, method };
  const runs = new Map<RunReason, Counter>();
  const expected = new Map<number, Gauge>();
  return {
    items: metrics.histogram("thornback_batch_items", labels),
    waitSeconds: metrics.histogram("thornback_batch_wait_seconds", labels),
    runSeconds: metrics.histogram("thornback_batch_run_seconds", labels),
    waitingItems: metrics.gauge("thornback_batch_waiting_items", labels),
    usefulLength: metrics.counter("thornback_batch_length_total", { ...labels, part: "useful" }),
    paddingLength: metrics.counter("thornback_batch_length_total", { ...labels, part: "padding" }),
    runs: (reason) => kept(runs, reason, () => metrics.counter("thornback_batch_runs_total", { ...labels, reason })),
    expectedRunSeconds: (items) =>
      kept(expected, items, () =>
        metrics.gauge("thornback_batch_expected_run_seconds", { ...labels, items: String(items) }),
      ),
  };
}

/** Counts one call of the handler. */
export function countRun(metrics: BatchMetrics | undefined, { size, runMs }: RunReport, reason: RunReason): void {
  metrics?.runs(reason).add(1);
  metrics?.items.observe(size);
  metrics?.runSeconds.observe(runMs / 1_000);
}

/** Counts how much of a batch is padding. */
export function countLengths(metrics: BatchMetrics | undefined, items: readonly SelectItem[]): void {
  if (metrics === undefined || items[0]?.length === undefined) return;
  const longest = items.reduce((most, { length = 0 }) => Math.max(most, length), 0);
  const useful = items.reduce((sum, { length = 0 }) => sum + length, 0);
  metrics.usefulLength.add(useful);
  metrics.paddingLength.add(items.length * longest - useful);
}

function kept<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  let value = known.get(key);
  if (value === undefined) known.set(key, (value = make()));
  return value;
}
