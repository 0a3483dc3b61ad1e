import type { DeploymentId } from "../../core/ids.ts";
import { MOST_FALLBACKS } from "../../core/limits.ts";
import type { DeploymentEntry } from "../../core/table.ts";

/**
 * Why a deployment does not take a request: its queue is full, the request would be too late in it, nothing of it runs
 * although a start is under way, or no start is.
 */
export type Refusal = "queueFull" | "tooLate" | "starting" | "unavailable";

/** All that falling back depends on. */
export type DegradeInput = {
  readonly entry: DeploymentEntry;
  readonly refusal: Refusal;
  /** Whether all of the request's body is still here. */
  readonly isReplayable: boolean;
  /** How often it has been handed on already. */
  readonly degradedCount: number;
  /** Entries of the table in use. */
  readonly entryOf: (id: DeploymentId) => DeploymentEntry | undefined;
};

/** What becomes of a request that its deployment does not take. */
export type DegradeDecision =
  | { readonly kind: "fallBack"; readonly to: DeploymentEntry; readonly reason: Refusal }
  /** It fails, or with `starting` waits, as if there were no fallback. */
  | {
      readonly kind: "keep";
      readonly reason: "noFallback" | "startsOnRequest" | "bodySpent" | "tooMany" | "noneAvailable";
    };

/**
 * Whether another deployment answers. A request that would fail goes to a fallback that is at least starting. One that
 * may wait for a start goes only where it is answered now: of two that are not there, the one that was asked for is
 * waited for. Nor does it go where a waiting request is what starts a replica: else nothing ever would.
 */
export function degrade({ entry, refusal, isReplayable, degradedCount, entryOf }: DegradeInput): DegradeDecision {
  if (entry.fallback === undefined) return { kind: "keep", reason: "noFallback" };
  if (refusal === "starting" && entry.startsOnRequest === true) return { kind: "keep", reason: "startsOnRequest" };
  if (!isReplayable) return { kind: "keep", reason: "bodySpent" };
  // Deploys refuse circles; while one deploy follows another a table may hold one for a moment.
  if (degradedCount >= MOST_FALLBACKS) return { kind: "keep", reason: "tooMany" };
  const to = entryOf(entry.fallback);
  for (let next = to, count = degradedCount; next !== undefined && count < MOST_FALLBACKS; count++) {
    const isThere = refusal === "starting" ? next.availability === "available" : next.availability !== "failed";
    if (isThere && to !== undefined) return { kind: "fallBack", to, reason: refusal };
    // There it would wait as well, whatever comes behind.
    if (refusal === "starting" && next.startsOnRequest === true) break;
    next = next.fallback === undefined ? undefined : entryOf(next.fallback);
  }
  return { kind: "keep", reason: "noneAvailable" };
}
