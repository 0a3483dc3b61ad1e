/** What an idle handler knows about the items that would run together next. Times are monotonic milliseconds. */
export type BatchInput = {
  /** How many would run together now. Expired and cancelled ones are dropped before this is asked. */
  readonly count: number;
  /** Nothing more may run with them, or to run with more buys nothing. */
  readonly isFull: boolean;
  /** Items wait that may not run with these. */
  readonly hasOthers: boolean;
  /** Most that may run together. */
  readonly maxCount: number;
  /** How many callers come back within how long from now, the shortest time first, as learned. */
  readonly expected: readonly Expected[];
  /** How long the first of them has waited while nothing ran. */
  readonly waitedMs: number;
  /** How long the handler stands idle only if there is a pause: a pause is to save at least as much. */
  readonly gapMs: number;
  /** Latest time to which anything may be put off: a bound that the user set, a deadline. */
  readonly pauseUntil: number;
  /** What a batch of so many items takes, in milliseconds. */
  readonly runMs: (count: number) => number;
};

/** On average `count` more have come back `withinMs` from now. */
export type Expected = { readonly withinMs: number; readonly count: number };

/** What to do now, and why. */
export type BatchDecision =
  /**
   * `full`: no more may run together. `handlerIdle`: more might, but nobody is worth waiting for.
   */
  | { readonly kind: "run"; readonly reason: "full" | "handlerIdle" }
  /** Others are about to come back, and running with them is the sooner end for all. */
  | { readonly kind: "pause"; readonly until: number }
  | { readonly kind: "idle" };

/** Most of the run that is waited for that the wait for it may last. */
const MOST_PAUSE_SHARE = 0.5;
/** A pause is to save at least this share of the handler's time: what is expected is only a mean. */
const LEAST_GAIN = 0.05;

/**
 * Decides what an idle handler does with the items that wait. Not asked while a batch runs, when the next one forms, which
 * needs no tuning, but for what it would say at that one's end (decide/ahead.ts). Running at once is the rule. A pause pays
 * where callers wait for their answers and then come back: cutting 1 + 15 costs two runs where 16 cost one, and callers split
 * in halves take turns for ever. Their wait is as long as their batches take together, so whatever shortens that is worth a
 * pause. Requests that come at random are nobody who comes back, and nothing is put off for them; nor while others wait, for
 * whom there is work to do.
 */
export function batch(input: BatchInput, now: number): BatchDecision {
  const { count, isFull, hasOthers, maxCount, expected, waitedMs, gapMs, pauseUntil, runMs } = input;
  if (count === 0) return { kind: "idle" };
  if (isFull) return { kind: "run", reason: "full" };
  if (hasOthers) return { kind: "run", reason: "handlerIdle" };
  const comingCount = expected.at(-1)?.count ?? 0;
  /** What the handler takes for all of them, if so many of those that come run with those that wait. */
  const totalMs = (joining: number, pauseMs: number): number =>
    pauseMs + runMs(count + joining) + tailMs(comingCount - joining, runMs);
  const atOnceMs = totalMs(0, 0);
  let leastMs = atOnceMs - Math.max(LEAST_GAIN * atOnceMs, gapMs);
  let pauseMs = 0;
  for (const { withinMs, count: returning } of expected) {
    if (now + withinMs > pauseUntil) break;
    const joining = Math.min(returning, maxCount - count);
    if (waitedMs + withinMs > MOST_PAUSE_SHARE * runMs(count + joining)) continue;
    const ms = totalMs(joining, withinMs);
    if (ms >= leastMs) continue;
    leastMs = ms;
    pauseMs = withinMs;
  }
  if (pauseMs > 0) return { kind: "pause", until: now + pauseMs };
  return { kind: "run", reason: "handlerIdle" };
}

/** A batch of those left over; half an item comes every second time. */
function tailMs(count: number, runMs: (count: number) => number): number {
  return count <= 0 ? 0 : Math.min(1, count) * runMs(Math.max(1, count));
}

/** Whether an item cannot be answered in time by a batch that ends at `endsAt`. */
export function isTooLate(item: { readonly deadlineAt: number }, endsAt: number): boolean {
  return item.deadlineAt <= endsAt;
}
