/**
 * Which replicas a router leaves out for a while, and how they come back.
 *
 *     in ── failures, silent, slow ──▶ out ── its time is over ──▶ probing ── a request succeeds ──▶ in
 *                                       ▲                             │
 *                                       └──── it fails: twice as long ┘
 *
 * A probing replica gets one request at a time. Never more than half of a deployment's replicas are out or probing:
 * where most seem bad it is more likely the router's own view that is, and the rest could not carry the load.
 */
import type { ErrorCode } from "../../core/error.ts";
import { EJECT_AFTER_FAILURES, EJECTION_BACKOFF, EJECTION_FORGOTTEN_MS } from "../../core/limits.ts";

/** Why a replica is left out. `probe`: it was tried again and failed. */
export type EjectReason = "failures" | "silent" | "slow" | "probe";

/** How a router regards a replica. Never changed: what happens makes another. */
export type Standing = {
  readonly kind: "in" | "out" | "probing";
  /** In a row. */
  readonly failureCount: number;
  /** When the last of them happened. */
  readonly failedAt: number;
  /** Times it was left out in a row. */
  readonly ejectionCount: number;
  /** In: since when. Out: until when. */
  readonly at: number;
};

/** Nothing is held against it. */
export const IN: Standing = { kind: "in", failureCount: 0, failedAt: -Infinity, ejectionCount: 0, at: 0 };

/** What the decision to leave a replica out depends on. */
export type EjectInput = {
  readonly standing: Standing;
  /** Its link is up and nothing comes. */
  readonly isSilent: boolean;
  readonly isSlow: boolean;
  /** Replicas of the deployment in the table, and how many of them are out or probing. */
  readonly replicaCount: number;
  readonly ejectedCount: number;
};

/** Whether a replica is left out, and for how long. */
export type EjectDecision =
  | { readonly kind: "keep" }
  | { readonly kind: "eject"; readonly reason: EjectReason; readonly standing: Standing; readonly forMs: number };

const KEEP: EjectDecision = { kind: "keep" };

/** Replicas of so many that may be out or probing at once: half, and so never the only one. */
export function mostEjected(replicaCount: number): number {
  return Math.floor(replicaCount / 2);
}

/** Whether a replica is left out from now on. */
export function eject(input: EjectInput, now: number): EjectDecision {
  const { standing } = input;
  if (standing.kind === "out") return KEEP;
  if (standing.kind === "probing") {
    if (standing.failureCount > 0) return leaveOut(standing, "probe", now);
    return input.isSilent ? leaveOut(standing, "silent", now) : KEEP;
  }
  if (input.ejectedCount >= mostEjected(input.replicaCount)) return KEEP;
  if (input.isSilent) return leaveOut(standing, "silent", now);
  if (standing.failureCount >= EJECT_AFTER_FAILURES) return leaveOut(standing, "failures", now);
  return input.isSlow ? leaveOut(standing, "slow", now) : KEEP;
}

/** Failures so close to each other have one cause. */
const ONE_EVENT_MS = 10;

/** After a failure of the replica. What one event took down together, a connection's requests say, is one failure. */
export function failed(standing: Standing, now: number): Standing {
  if (standing.kind === "out" || now - standing.failedAt < ONE_EVENT_MS) return standing;
  return { ...standing, failureCount: standing.failureCount + 1, failedAt: now };
}

/** After an answer. */
export function succeeded(standing: Standing, now: number): Standing {
  if (standing.kind === "probing") return { ...standing, kind: "in", failureCount: 0, at: now };
  return standing.failureCount === 0 ? standing : { ...standing, failureCount: 0 };
}

/** When its time is over: it may be tried again. */
export function probing(standing: Standing): Standing {
  return { ...standing, kind: "probing", failureCount: 0 };
}

/** How a request at a replica ended. */
export type BlameInput = {
  readonly code: ErrorCode;
  /** How long the replica had it. */
  readonly runMs: number;
  /** What an answer of the deployment usually takes; undefined: too little is known. */
  readonly usualMs: number | undefined;
};

/** A deadline says nothing about a replica that had less than so many times the usual time. */
const FAIR_CHANCE_FACTOR = 3;

/**
 * What an error says about the replica that gave it. Errors of user code and of requests show that it works; a refusal
 * and a cancellation show nothing. A deadline that leaves no time is its caller's mistake, not the replica's.
 */
export function blames({ code, runMs, usualMs = 0 }: BlameInput): "failed" | "worked" | "nothing" {
  switch (code) {
    case "replica_lost":
    case "internal":
      return "failed";
    case "deadline_exceeded":
      return runMs >= FAIR_CHANCE_FACTOR * usualMs ? "failed" : "nothing";
    case "replica_draining":
    case "replica_overloaded":
    case "cancelled":
      return "nothing";
    default:
      return "worked";
  }
}

function leaveOut(standing: Standing, reason: EjectReason, now: number): EjectDecision {
  const isForgotten = standing.kind === "in" && now - standing.at >= EJECTION_FORGOTTEN_MS;
  const before = isForgotten ? 0 : standing.ejectionCount;
  // 1 s, 2 s, 4 s, 8 s, 16 s, then 30 s each time.
  const forMs = Math.min(EJECTION_BACKOFF.mostMs, EJECTION_BACKOFF.firstMs * 2 ** Math.min(before, 30));
  const out: Standing = {
    kind: "out",
    failureCount: 0,
    failedAt: standing.failedAt,
    ejectionCount: before + 1,
    at: now + forMs,
  };
  return { kind: "eject", reason, standing: out, forMs };
}
