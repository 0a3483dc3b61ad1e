import type { LatencySummary } from "../load/latency-histogram.ts";
import type { LoadReport } from "../load/load-report.ts";
import { type Printer, table } from "./print.ts";

/** The load itself was so late that the figures say as much of this machine as of the server. */
const LATE_MS = 10;

/** What became of a load, as text for people. */
export function formatLoadReport(report: LoadReport, print: Printer): string {
  const seconds = report.elapsedMs / 1_000;
  const rate = seconds === 0 ? 0 : report.succeeded / seconds;
  const megabytes = seconds === 0 ? 0 : report.receivedBytes / 1e6 / seconds;
  const sections = [
    `${count(report.sent)} requests in ${seconds.toFixed(1)} s; ${rate.toFixed(1)} successful answers a second, ${megabytes.toFixed(2)} MB a second received`,
    table([
      ["outcome", "count", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"],
      ...Object.entries(report.latencyByOutcome).map(([outcome, latency]) => row(outcome, latency)),
    ]),
  ];
  if (report.unansweredCount > 0) {
    sections.push(print.style("red", `${count(report.unansweredCount)} requests never got a whole answer`));
  }
  if (report.events.count > 0) {
    sections.push(
      table([
        ["stream", "count", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"],
        row("first byte", report.firstByte),
        row("between events", report.events.gap),
      ]),
    );
  }
  if (report.lag.p99Ms > LATE_MS) {
    const late = report.lag.p99Ms.toFixed(0);
    sections.push(
      `${print.style("yellow", "note:")} one request in a hundred left ${late} ms late or more, because this machine was busy; latencies contain that`,
    );
  }
  return sections.join("\n\n");
}

function row(name: string, latency: LatencySummary): readonly string[] {
  const { p50Ms, p90Ms, p99Ms, p999Ms, maxMs } = latency;
  return [name, count(latency.count), ...[p50Ms, p90Ms, p99Ms, p999Ms, maxMs].map(milliseconds)];
}

/** Three digits that mean something, whether it is microseconds or minutes. */
function milliseconds(ms: number): string {
  if (Number.isNaN(ms)) return "-";
  return ms >= 100 ? ms.toFixed(0) : ms.toFixed(ms >= 10 ? 1 : 2);
}

function count(amount: number): string {
  return amount.toLocaleString("en");
}
