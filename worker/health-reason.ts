import type { HealthDecision } from "./decide/health.ts";

type Known = { readonly stalledMs: number; readonly ongoing: number };
type Used = { readonly usedBytes: number };

/** What status says of a replica whose event loop does not run; empty for one whose does. */
export function healthReason(decision: HealthDecision, { stalledMs, ongoing }: Known): string {
  const stalled = `its event loop has not run for ${secondsText(stalledMs)}`;
  switch (decision.kind) {
    case "beating":
      return "";
    case "busy": {
      const isIdle = decision.reason === "nothingOngoing";
      const what = isIdle ? "no request on it has a deadline" : "there is still time to answer";
      return `busy: ${stalled}, ${what}; it is taken for blocked in ${secondsText(decision.blockedInMs)}`;
    }
    case "blocked": {
      const isIdle = decision.reason === "nothingOngoing";
      const what = isIdle ? "no request on it has a deadline" : `all deadlines on it have passed (ongoing ${ongoing})`;
      return `blocked: ${stalled}, ${what}; it ends in ${secondsText(Math.max(0, decision.endsInMs))}`;
    }
    case "hung":
      return `blocked: its process is stopped (SIGSTOP); it ends in ${secondsText(Math.max(0, decision.endsInMs))}`;
  }
}

/** Why a replica's process was ended. */
export function endReason(decision: HealthDecision, { stalledMs, ongoing }: Known): string {
  if (decision.kind === "hung") return "its process stood still (SIGSTOP) and was killed";
  const stalled = `its event loop was blocked for ${secondsText(stalledMs)}`;
  if (decision.reason !== "pastDeadlines") return `${stalled} and it was ended`;
  const hint = "run long synchronous code in a worker thread, or give its requests more time";
  return `${stalled}, past all deadlines on it (ongoing ${ongoing}), and it was ended: ${hint}`;
}

/** Why a process that used too much memory ended: by its worker, or by itself or the system without having been told. */
export function oomText({ usedBytes }: Used, limitBytes: number): string {
  const limit = limitBytes === 0 ? "; no memoryLimitBytes was set" : ` of ${bytesText(limitBytes)} (memoryLimitBytes)`;
  return `OOMKilled: used ${bytesText(usedBytes)}${limit}`;
}

/** Why a replica is replaced before it gets to its limit. */
export function retireText({ usedBytes }: Used, limitBytes: number): string {
  return `uses ${bytesText(usedBytes)} of ${bytesText(limitBytes)} (memoryLimitBytes): being replaced`;
}

/** 1.5 GiB, 312 MiB. */
function bytesText(bytes: number): string {
  const mebibytes = bytes / 1024 ** 2;
  return mebibytes >= 1024 ? `${(mebibytes / 1024).toFixed(1)} GiB` : `${Math.round(mebibytes)} MiB`;
}

function secondsText(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
