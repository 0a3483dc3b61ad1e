import { MEMORY_RETIRE_SHARE, OVER_MEMORY_CHECKS } from "../../core/limits.ts";

/** What is known of a replica's memory. */
export type MemoryInput = {
  /** Resident bytes of its process now. */
  readonly usedBytes: number;
  /** `memoryLimitBytes`; 0: none. */
  readonly limitBytes: number;
  /** Looks in a row, before this one, that found it above its limit. */
  readonly overCount: number;
};

/** What becomes of it. `overCount`: for the next look. */
export type MemoryDecision =
  | { readonly kind: "keep"; readonly overCount: 0; readonly reason: "noLimit" | "withinLimit" }
  /** It is to be replaced while it serves on. */
  | { readonly kind: "retire"; readonly overCount: number; readonly reason: "nearLimit" | "aboveLimit" }
  | { readonly kind: "end"; readonly overCount: number; readonly reason: "aboveLimit" };

/**
 * Decides about a replica by the memory it uses. One that leaks is replaced before it gets to its limit, so that no request
 * is lost: at 90 %. Above its limit it is ended, at the second look, because a garbage collection may follow a peak.
 */
export function memory({ usedBytes, limitBytes, overCount }: MemoryInput): MemoryDecision {
  if (limitBytes === 0) return { kind: "keep", overCount: 0, reason: "noLimit" };
  if (usedBytes > limitBytes) {
    const count = overCount + 1;
    const kind = count >= OVER_MEMORY_CHECKS ? "end" : "retire";
    return { kind, overCount: count, reason: "aboveLimit" };
  }
  if (usedBytes > limitBytes * MEMORY_RETIRE_SHARE) return { kind: "retire", overCount: 0, reason: "nearLimit" };
  return { kind: "keep", overCount: 0, reason: "withinLimit" };
}
