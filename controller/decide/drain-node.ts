import type { NodeDrain, ReplicaRecord } from "./cluster.ts";

/** What decides over one replica of a draining node. */
export type DrainingReplica = {
  readonly drain: NodeDrain;
  readonly desired: ReplicaRecord["desired"];
  readonly isReady: boolean;
  /** Its deployment's `gracefulShutdownTimeoutMs`. */
  readonly gracefulMs: number;
};

/** What a draining node's replica does now, apart from being replaced. */
export type DrainStep =
  | { readonly kind: "stay" }
  /** `leave`: it serves, so routers must know first. `stop`: none knows it. */
  | { readonly kind: "leave" | "stop"; readonly reason: "nodeDrains" };

/**
 * Whether a replica leaves a draining node although nothing has taken its place. The rollout replaces it first, and then
 * removes it, as long as there is time; what is left of the time is for ongoing requests: as much as the replica is
 * given, but at most a third of the whole, because a replacement that is ready in time fails nothing, and most requests
 * end well before. Of the default 120 s it stays 100 s, with 20 s to finish; of a spot notice's 30 s it stays 20 s.
 */
export function drainNode({ drain, desired, isReady, gracefulMs }: DrainingReplica, now: number): DrainStep {
  if (desired !== "run") return { kind: "stay" };
  const { beganAt, deadlineAt } = drain;
  const finishMs = Math.min(gracefulMs, (deadlineAt - beganAt) / 3);
  if (now < deadlineAt - finishMs) return { kind: "stay" };
  return { kind: isReady ? "leave" : "stop", reason: "nodeDrains" };
}

/**
 * How long a replica's ongoing requests get: its deployment's `gracefulShutdownTimeoutMs`, on a draining node no longer
 * than until the deadline.
 */
export function drainTimeMs(drain: NodeDrain | undefined, drainingAt: number | undefined, gracefulMs: number): number {
  if (drain === undefined || drainingAt === undefined) return gracefulMs;
  return Math.max(0, Math.min(gracefulMs, Math.floor(drain.deadlineAt - drainingAt)));
}
