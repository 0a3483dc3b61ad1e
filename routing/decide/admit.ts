import { LEAST_DRAIN_EVIDENCE, MOST_RETRY_AFTER_SECONDS } from "../../core/limits.ts";

/** How fast a queue drained lately, over the time in which something waited in it. */
export type DrainEvidence = {
  /** Requests that gave their slots free in that time. */
  readonly endedCount: number;
  readonly waitedMs: number;
};

/** What is known when a request finds no free slot. */
export type AdmitInput = {
  readonly queuedCount: number;
  readonly maxQueuedRequests: number;
  /** Of those queued, the ones that leave before it. */
  readonly aheadCount: number;
  /** Whether one of a lower priority waits. */
  readonly hasBelow: boolean;
  readonly timeLeftMs: number;
  /** What hardly any answer takes less than, once its request was handed to a replica; undefined: nobody knows. */
  readonly leastMs: number | undefined;
  readonly drain: DrainEvidence;
};

/** Whether a request may wait. */
export type AdmitDecision =
  | { readonly kind: "wait"; readonly reason: "hasRoom" }
  /** The newest of the lowest priority makes room for it. */
  | { readonly kind: "pushOut"; readonly reason: "priority" }
  | { readonly kind: "refuse"; readonly reason: "queueFull" }
  /** Its deadline would pass while it waits. */
  | { readonly kind: "refuse"; readonly reason: "tooLate"; readonly waitMs: number };

/** Whoever is let in with just enough time is late as soon as anything takes a little longer. */
const LEAST_MARGIN = 1.1;

const WAIT: AdmitDecision = { kind: "wait", reason: "hasRoom" };
const PUSH_OUT: AdmitDecision = { kind: "pushOut", reason: "priority" };
const QUEUE_FULL: AdmitDecision = { kind: "refuse", reason: "queueFull" };

/**
 * Decides whether a request may wait. One that would only be told later that it came too late is told at once, and
 * nothing is computed for it; but only where the queue has drained long enough to know. What its answer takes counts too: with
 * all who wait being let in until the last moment, each would be handed over with just too little time left.
 */
export function admit(input: AdmitInput): AdmitDecision {
  const { queuedCount, maxQueuedRequests, aheadCount, timeLeftMs, leastMs = 0 } = input;
  if (queuedCount >= maxQueuedRequests && !input.hasBelow) return QUEUE_FULL;
  // 300 ahead and 20 ended in 100 ms: 1.5 s to wait.
  const waitMs = aheadCount === 0 ? 0 : predictWait(aheadCount, input.drain);
  if (aheadCount > 0 && waitMs !== undefined && waitMs + LEAST_MARGIN * leastMs > timeLeftMs)
    return { kind: "refuse", reason: "tooLate", waitMs };
  return queuedCount >= maxQueuedRequests ? PUSH_OUT : WAIT;
}

/** When a client that a full queue refused may try again, whole seconds: when what waits now will have left. */
export function retryAfter(queuedCount: number, drain: DrainEvidence): number {
  const waitMs = predictWait(queuedCount, drain) ?? 0;
  return Math.max(1, Math.min(MOST_RETRY_AFTER_SECONDS, Math.ceil(waitMs / 1_000)));
}

/** How long it takes until so many have left the queue; undefined: nobody knows. */
function predictWait(count: number, { endedCount, waitedMs }: DrainEvidence): number | undefined {
  return endedCount < LEAST_DRAIN_EVIDENCE ? undefined : (count * waitedMs) / endedCount;
}
