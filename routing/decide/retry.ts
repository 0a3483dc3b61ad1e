import type { ErrorCode } from "../../core/error.ts";
import { ERROR_MAP } from "../../core/error-map.ts";
import { MOST_ATTEMPTS } from "../../core/limits.ts";

/** How an attempt at a request ended. No byte of an answer has gone to the client. */
export type RetryInput = {
  readonly code: ErrorCode;
  /** Whether a byte of it was handed to a socket. */
  readonly wasHanded: boolean;
  /** The deployment, the method or the call says that sending it twice does no harm. */
  readonly isIdempotent: boolean;
  /** Times it was handed to a replica, this one included; refusals are not counted. */
  readonly attempts: number;
  readonly deadlineAt: number;
};

/** What becomes of the request. */
export type RetryDecision =
  | { readonly kind: "again"; readonly reason: "refused" | "notSent" | "idempotent" }
  | { readonly kind: "giveUp"; readonly reason: "sameAnswer" | "mayHaveBegun" | "tooManyAttempts" | "deadline" };

/** The only rule by which a request is sent to a replica a second time. */
export function retry(input: RetryInput, now: number): RetryDecision {
  const rule = ERROR_MAP[input.code].retry;
  if (rule === "never") return { kind: "giveUp", reason: "sameAnswer" };
  if (now >= input.deadlineAt) return { kind: "giveUp", reason: "deadline" };
  // Not bounded by attempts: the replica took nothing, so only the request's own deadline says when it has waited enough.
  if (rule === "always") return { kind: "again", reason: "refused" };
  if (input.wasHanded && !input.isIdempotent) return { kind: "giveUp", reason: "mayHaveBegun" };
  if (input.attempts >= MOST_ATTEMPTS) return { kind: "giveUp", reason: "tooManyAttempts" };
  return { kind: "again", reason: input.wasHanded ? "idempotent" : "notSent" };
}
