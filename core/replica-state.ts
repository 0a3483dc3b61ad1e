/**
 * Life of a replica: `starting` (process, code, models, setup) → `ready` (takes requests) → `draining` (finishes what
 * it has) → `stopped`. `failed` is a start or a run that ended badly; its worker tries again by backoff (→ `starting`).
 */
export type ReplicaState = "starting" | "ready" | "draining" | "stopped" | "failed";
