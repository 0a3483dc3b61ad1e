import {
  BLOCKED_ENDED_AFTER_MS,
  BLOCKED_GRACE_MS,
  BLOCKED_IDLE_AFTER_MS,
  BUSY_AFTER_MS,
  STOPPED_ENDED_AFTER_MS,
} from "../../core/limits.ts";

/** What is known of a replica's event loop. Durations, because clocks of processes differ. */
export type HealthInput = {
  /** Since its last beat, less the time that the worker itself stood still. */
  readonly stalledMs: number;
  /** How far away the latest deadline of its ongoing requests is, negative when past; undefined: none has one. */
  readonly deadlineInMs: number | undefined;
  /** How long its process as a whole has been stopped, which no code of its own can do anything about; 0: it is not. */
  readonly stoppedMs: number;
};

/** How a replica fares. `endsInMs`: when its process is ended if that lasts; not above 0: now. */
export type HealthDecision =
  | { readonly kind: "beating"; readonly reason: "loopRuns" }
  | { readonly kind: "busy"; readonly reason: "withinDeadline" | "nothingOngoing"; readonly blockedInMs: number }
  | { readonly kind: "blocked"; readonly reason: "pastDeadlines" | "nothingOngoing"; readonly endsInMs: number }
  | { readonly kind: "hung"; readonly reason: "stopped"; readonly endsInMs: number };

/**
 * Tells a model that computes from one that will never end. An event loop that does not run is nothing bad as long as
 * somebody waits for what it does: a synchronous model of 3 s, called with 60 s, is busy. Once the deadlines of all that it
 * has taken have passed, nobody will take its answer: it is blocked, and gets a moment more, because one that is only a
 * little late costs less than a restart. With a deadline at 2.0 s: busy at 1.0, blocked at 2.25, ended at 3.75. A process
 * that is stopped as a whole (SIGSTOP) computes nothing: it is hung, and no deadline helps it.
 */
export function health({ stalledMs, deadlineInMs, stoppedMs }: HealthInput): HealthDecision {
  if (stalledMs < BUSY_AFTER_MS) return { kind: "beating", reason: "loopRuns" };
  if (stoppedMs > 0) return { kind: "hung", reason: "stopped", endsInMs: STOPPED_ENDED_AFTER_MS - stoppedMs };
  const isIdle = deadlineInMs === undefined;
  const blockedInMs = isIdle ? BLOCKED_IDLE_AFTER_MS - stalledMs : deadlineInMs + BLOCKED_GRACE_MS;
  if (blockedInMs > 0) return { kind: "busy", reason: isIdle ? "nothingOngoing" : "withinDeadline", blockedInMs };
  // One that was past its deadline before it stalled is not blocked for longer than it has been stalled.
  const blockedMs = Math.min(-blockedInMs, stalledMs - BUSY_AFTER_MS);
  const reason = isIdle ? "nothingOngoing" : "pastDeadlines";
  return { kind: "blocked", reason, endsInMs: BLOCKED_ENDED_AFTER_MS - blockedMs };
}
