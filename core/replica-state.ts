/**
 * Life of a replica: `starting` (process, code, models, setup) → `ready` (takes requests) → `draining` (finishes what
 * it has) → `stopped`. `failed` is a start or a run that ended badly; its worker tries again by backoff (→ `starting`).
 */
export type ReplicaState = "starting" | "ready" | "draining" | "stopped" | "failed";

/**
 * How a replica's event loop fares, as its worker sees it. `beating`: it runs. `busy`: it does not run
 * just now, and a request on it is still within its deadline. `blocked`: it does not run, and nobody waits any more.
 */
export type ReplicaHealth = "beating" | "busy" | "blocked";
