import { seriesOf } from "../prometheus-text.ts";

/** What the batchers of a deployment have counted, all replicas together. */
export type BatchTotals = { readonly batches: number; readonly items: number; readonly runMs: number };

/** Reads the totals so far from the metrics of a node. */
export async function batchTotals(url: string, application: string): Promise<BatchTotals> {
  const response = await fetch(`${url}/-/metrics`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`the metrics are not to be had: ${String(response.status)} ${text}`);
  const sum = (name: string): number => {
    const own = seriesOf(text, name).filter(({ labels }) => labels.includes(`deployment="${application}/`));
    return own.reduce((total, { value }) => total + value, 0);
  };
  return {
    batches: sum("thornback_batch_items_count"),
    items: sum("thornback_batch_items_sum"),
    runMs: sum("thornback_batch_run_seconds_sum") * 1_000,
  };
}

/** What was counted between two readings; means are NaN where nothing was. */
export type BatchMeans = { readonly meanBatch: number; readonly meanRunMs: number; readonly runMs: number };

/** Takes two readings apart. */
export function meansBetween(before: BatchTotals, after: BatchTotals): BatchMeans {
  const [batches, runMs] = [after.batches - before.batches, after.runMs - before.runMs];
  return { meanBatch: (after.items - before.items) / batches, meanRunMs: runMs / batches, runMs };
}
