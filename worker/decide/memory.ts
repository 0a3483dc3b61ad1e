import { MEMORY_LEAK_SHARE, MEMORY_RETIRE_AGE_MS, MEMORY_RETIRE_SHARE, OVER_MEMORY_CHECKS } from "../../core/limits.ts";

/** What is known of a replica's memory. */
export type MemoryInput = {
  /** Resident bytes of its process now. */
  readonly usedBytes: number;
  /** `memoryLimitBytes`; 0: none. */
  readonly limitBytes: number;
  /** What it used when it was ready. */
  readonly baseBytes: number;
  /** Since it is ready. */
  readonly readyMs: number;
  /** Looks in a row, before this one, that found it above its limit. */
  readonly overCount: number;
};

/** What becomes of it. `overCount`: for the next look. */
export type MemoryDecision =
  | { readonly kind: "keep"; readonly overCount: number; readonly reason: "noLimit" | "withinLimit" | "nearFromStart" }
  /** It is to be replaced while it serves on. */
  | { readonly kind: "retire"; readonly overCount: number; readonly reason: "nearLimit" | "aboveLimit" }
  | { readonly kind: "end"; readonly overCount: number; readonly reason: "aboveLimit" };

/**
 * Decides about a replica by the memory it uses. One that leaks is replaced before it gets to its limit, so that no request
 * is lost: at 90 %. One that was as near to it when it was ready does not leak, and the next would be there again: it is
 * replaced after a long time at the earliest. With a limit of 1,000 MiB one that began with 300 goes at 900 at once, one that
 * began with 850 after 10 minutes. Above its limit it is ended, at the second look, because a garbage collection may follow
 * a peak.
 */
export function memory({ usedBytes, limitBytes, baseBytes, readyMs, overCount }: MemoryInput): MemoryDecision {
  if (limitBytes === 0) return { kind: "keep", overCount: 0, reason: "noLimit" };
  if (usedBytes <= limitBytes * MEMORY_RETIRE_SHARE) return { kind: "keep", overCount: 0, reason: "withinLimit" };
  const isOver = usedBytes > limitBytes;
  const count = isOver ? overCount + 1 : 0;
  if (count >= OVER_MEMORY_CHECKS) return { kind: "end", overCount: count, reason: "aboveLimit" };
  const isLeak = usedBytes - baseBytes > limitBytes * MEMORY_LEAK_SHARE;
  if (!isLeak && readyMs < MEMORY_RETIRE_AGE_MS) return { kind: "keep", overCount: count, reason: "nearFromStart" };
  return { kind: "retire", overCount: count, reason: isOver ? "aboveLimit" : "nearLimit" };
}
