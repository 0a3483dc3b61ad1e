import { backoff } from "../../core/backoff.ts";
import { RESTART_BACKOFF, ROLLOUT_FAILED_AFTER_STARTS, STABLE_AFTER_MS } from "../../core/limits.ts";
import type { Random } from "../../core/random.ts";

/** What is known of a replica whose process ended although it should run. Times are monotonic milliseconds. */
export type EndedReplica = {
  /**
   * `permanent`: trying again cannot mend it: a missing export, a file that is not a model, a package that is not
   * installed. `unreachable`: nothing of it was tried, because its code could not be fetched just now.
   */
  readonly cause: "ordinary" | "permanent" | "unreachable";
  /** When its last process became ready; undefined when it never did. */
  readonly readyAt: number | undefined;
  /** Starts in a row that failed before this one. */
  readonly failedStarts: number;
  /** Ends in a row before this one without a stable time between them. */
  readonly crashes: number;
};

/** What becomes of it, with the memory for the next time. */
export type RestartDecision =
  | {
      readonly kind: "restart";
      readonly at: number;
      readonly failedStarts: number;
      readonly crashes: number;
      readonly reason: "startFailed" | "crashed" | "codeUnreachable";
    }
  | { readonly kind: "giveUp"; readonly failedStarts: number; readonly reason: "permanent" };

/**
 * Decides when a replica that ended is started again. The first crash after a stable time waits 50–100 ms, each further
 * one in a row twice as long, up to 10 s. A permanent failure is reported as if it had failed often enough for its
 * rollout to be given up, because waiting for more of the same helps nobody.
 */
export function restart(ended: EndedReplica, now: number, random: Random): RestartDecision {
  const wasReady = ended.readyAt !== undefined;
  if (ended.cause === "permanent" && !wasReady) {
    return {
      kind: "giveUp",
      failedStarts: Math.max(ended.failedStarts + 1, ROLLOUT_FAILED_AFTER_STARTS),
      reason: "permanent",
    };
  }
  const wasStable = ended.readyAt !== undefined && now - ended.readyAt >= STABLE_AFTER_MS;
  const crashesBefore = wasStable ? 0 : ended.crashes;
  const again = {
    kind: "restart",
    at: now + backoff(crashesBefore, RESTART_BACKOFF, random),
    crashes: crashesBefore + 1,
  } as const;
  // A controller that is away says nothing about the version, which must not be rolled back for it.
  if (ended.cause === "unreachable") return { ...again, failedStarts: ended.failedStarts, reason: "codeUnreachable" };
  if (wasReady) return { ...again, failedStarts: 0, reason: "crashed" };
  return { ...again, failedStarts: ended.failedStarts + 1, reason: "startFailed" };
}
