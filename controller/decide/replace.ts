import { RESTART_BACKOFF, ROLLOUT_FAILED_AFTER_STARTS } from "../../core/limits.ts";
import type { ReplicaRecord } from "./cluster.ts";

/** What is to become of a replica that does not run as it should. */
export type Replacement =
  | { readonly kind: "keep" }
  /** It is gone for good; the count decides about another one. */
  | { readonly kind: "forget"; readonly reason: "nodeLost" | "ended" }
  /** Its worker tried often enough; a new one may be placed elsewhere. */
  | { readonly kind: "stop"; readonly reason: "tryElsewhere" };

/** What is known of a replica's surroundings. */
export type ReplaceInput = {
  readonly replica: ReplicaRecord;
  readonly isNodeLost: boolean;
  /** Its version served before. One that never did is judged by its rollout, not here. */
  readonly isStable: boolean;
  /** A kept release says how to run it. */
  readonly isDescribed: boolean;
};

/**
 * Decides about a replica whose node is lost, whose process ended after a drain, or that cannot start where it is.
 * Restarts on the same node are the worker's, with its own backoff; only when that has been failing for the longest
 * backoff is another place tried.
 */
export function replace(input: ReplaceInput, now: number): Replacement {
  const { replica, isNodeLost, isStable, isDescribed } = input;
  if (isNodeLost) return { kind: "forget", reason: "nodeLost" };
  const { report, desired } = replica;
  if (report === undefined) return { kind: "keep" };
  // One that failed is started again by a worker that has not heard yet that it is to drain, and takes its room again.
  // A worker that has heard says that it is gone.
  // One that no kept release describes cannot be told, nor started again.
  const isOver = report.state === "stopped" || (report.state === "failed" && !isDescribed);
  if (desired === "drain" && isOver) return { kind: "forget", reason: "ended" };
  const hasTriedEnough = report.state === "failed" && report.failedStarts >= ROLLOUT_FAILED_AFTER_STARTS;
  if (desired === "run" && isStable && hasTriedEnough && now >= replica.stateSince + RESTART_BACKOFF.mostMs) {
    return { kind: "stop", reason: "tryElsewhere" };
  }
  return { kind: "keep" };
}
