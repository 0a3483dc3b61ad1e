import type { ErrorCode } from "../../core/error.ts";
import { ERROR_MAP } from "../../core/error-map.ts";
import { MOST_ATTEMPTS, RETRY_BUDGET_FLOOR, RETRY_BUDGET_SHARE } from "../../core/limits.ts";

/** How an attempt at a request ended. No byte of an answer has gone to the client. */
export type RetryInput = {
  readonly code: ErrorCode;
  /** Whether a byte of it was handed to a socket. */
  readonly wasHanded: boolean;
  /** Whether its body is still whole: one that streams and has begun to leave cannot be sent again. */
  readonly isReplayable: boolean;
  /** The deployment, the method or the call says that sending it twice does no harm. */
  readonly isIdempotent: boolean;
  /** Times it was handed to a replica, this one included; refusals are not counted. */
  readonly attempts: number;
  readonly deadlineAt: number;
  /** Retries that may still be made now, see {@link retryBudget}. */
  readonly budgetLeft: number;
};

/** What becomes of the request. */
export type RetryDecision =
  | { readonly kind: "again"; readonly reason: "refused" | "notSent" | "idempotent" }
  | {
      readonly kind: "giveUp";
      readonly reason: "sameAnswer" | "bodySpent" | "mayHaveBegun" | "tooManyAttempts" | "deadline" | "budget";
    };

/** The only rule by which a request is sent to a replica a second time. */
export function retry(input: RetryInput, now: number): RetryDecision {
  const rule = ERROR_MAP[input.code].retry;
  if (rule === "never") return { kind: "giveUp", reason: "sameAnswer" };
  if (now >= input.deadlineAt) return { kind: "giveUp", reason: "deadline" };
  if (!input.isReplayable) return { kind: "giveUp", reason: "bodySpent" };
  // Not bounded by attempts: the replica took nothing, so only the request's own deadline says when it has waited enough.
  if (rule === "always") return { kind: "again", reason: "refused" };
  if (input.wasHanded && !input.isIdempotent) return { kind: "giveUp", reason: "mayHaveBegun" };
  if (input.attempts >= MOST_ATTEMPTS) return { kind: "giveUp", reason: "tooManyAttempts" };
  if (input.budgetLeft < 1) return { kind: "giveUp", reason: "budget" };
  return { kind: "again", reason: input.wasHanded ? "idempotent" : "notSent" };
}

/** What the budget of retries follows from; the counts are of the last RETRY_BUDGET_SPAN_MS. */
export type RetryBudgetInput = {
  readonly requestCount: number;
  readonly retryCount: number;
  /** The most requests that one replica may have: they may all be lost with it. */
  readonly maxOngoingRequests: number;
};

/**
 * Retries that may still be made. A fifth of the requests, so that a deployment in trouble never gets much more than it
 * was asked for; and at least as many as the loss of one replica costs, which is what retries are for.
 */
export function retryBudget({ requestCount, retryCount, maxOngoingRequests }: RetryBudgetInput): number {
  const floor = Math.max(RETRY_BUDGET_FLOOR, maxOngoingRequests);
  return Math.floor(requestCount * RETRY_BUDGET_SHARE + floor) - retryCount;
}
