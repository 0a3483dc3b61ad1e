import { startLoad } from "../../load/open-loop.ts";
import type { LoadReport } from "../../load/load-report.ts";
import type { RunningLoad } from "../../load/traffic.ts";
import type { EndedRequest } from "./sliding-p99.ts";

const TIMEOUT_MS = 30_000;

/** An open load that keeps when each of its requests ended. */
export type LoadTrace = { readonly ended: readonly EndedRequest[]; stop(): Promise<LoadReport> };

/** Starts one at once, evenly spread. */
export function startTrace(url: string, body: unknown, ratePerSecond: number): LoadTrace {
  const ended: EndedRequest[] = [];
  let firstDueAt: number | undefined;
  const load: RunningLoad = startLoad({
    ...{ url, method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
    ...{ ratePerSecond, timeoutMs: TIMEOUT_MS },
    onEnding({ sequence, dueAt, endedAt }) {
      firstDueAt ??= dueAt - (sequence * 1_000) / ratePerSecond;
      ended.push({ atMs: endedAt - firstDueAt, tookMs: endedAt - dueAt });
    },
  });
  return { ended, stop: () => load.stop() };
}
