import type { LoadReport } from "../../load/load-report.ts";

/** What did not end in a 2xx, as text: `503 × 12, timeout × 1`; `none`. */
export function formatFailures({ failures }: LoadReport): string {
  const parts = Object.entries(failures).map(([outcome, count]) => `${outcome} × ${String(count)}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

/** Whoever is refused comes back at once and costs nothing: a load with many of those would say anything. */
export function mustAllSucceed(report: LoadReport): void {
  if (report.sent === report.succeeded && report.sent > 0) return;
  throw new Error(`of ${String(report.sent)} requests failed: ${formatFailures(report)}`);
}
