/** The end of one request: when, since the load began, and how long after it was due. */
export type EndedRequest = { readonly atMs: number; readonly tookMs: number };

const WINDOW_MS = 1_000;
const STEP_MS = 100;

/** 99 % of what ended between two moments took no longer; NaN where nothing ended. */
export function p99Between(ended: readonly EndedRequest[], fromMs: number, toMs: number): number {
  const took = ended.filter(({ atMs }) => atMs > fromMs && atMs <= toMs).map(({ tookMs }) => tookMs);
  took.sort((a, b) => a - b);
  return took[Math.ceil(took.length * 0.99) - 1] ?? Number.NaN;
}

/**
 * When the p99 of the second before is below a bound again, after it was above, for a whole second on end. 0: it never
 * was above. NaN: it never came back.
 */
export function backBelowAtMs(ended: readonly EndedRequest[], mostMs: number, untilMs: number): number {
  let wasAbove = false;
  let belowSinceMs = Number.NaN;
  for (let toMs = STEP_MS; toMs <= untilMs; toMs += STEP_MS) {
    const isBelow = p99Between(ended, toMs - WINDOW_MS, toMs) <= mostMs;
    // Before the first answers there is nothing to be slow.
    if (ended.every(({ atMs }) => atMs > toMs)) continue;
    if (!isBelow) {
      wasAbove = true;
      belowSinceMs = Number.NaN;
    } else if (Number.isNaN(belowSinceMs)) belowSinceMs = toMs;
    if (wasAbove && toMs - belowSinceMs >= WINDOW_MS) return belowSinceMs;
  }
  return wasAbove ? Number.NaN : 0;
}
