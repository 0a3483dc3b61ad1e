/** What an idle batcher knows about the items waiting in it. Times are monotonic milliseconds. */
export type BatchInput = {
  /** How many wait. Expired and cancelled ones are dropped before this is asked. */
  readonly waitingCount: number;
  readonly maxBatchSize: number;
};

/** What to do now, and why. */
export type BatchDecision =
  /** `full`: a whole batch waits. `handlerIdle`: fewer wait, and nothing runs that they could wait behind. */
  { readonly kind: "run"; readonly count: number; readonly reason: "full" | "handlerIdle" } | { readonly kind: "idle" };

/**
 * Decides what an idle handler does with the waiting items. Never asked while a batch runs: that is when the next one
 * forms, which needs no tuning. With a handler of 5 ms and 64 callers, the first request runs alone and the 63 others,
 * which came while it ran, together.
 */
export function batch(input: BatchInput): BatchDecision {
  const { waitingCount, maxBatchSize } = input;
  if (waitingCount === 0) return { kind: "idle" };
  if (waitingCount >= maxBatchSize) return { kind: "run", count: maxBatchSize, reason: "full" };
  return { kind: "run", count: waitingCount, reason: "handlerIdle" };
}

/** Whether an item is too late to be worth computing. */
export function isExpired(item: { readonly deadlineAt: number }, now: number): boolean {
  return item.deadlineAt <= now;
}
