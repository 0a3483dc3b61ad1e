/** What a deployment has used since this controller started. */
export type Usage = {
  /** Replicas times seconds, from their being ready on. */
  readonly replicaSeconds: number;
  /** GPUs they held times seconds. */
  readonly gpuSeconds: number;
  /** Of the replica seconds, those in which the replica did nothing. */
  readonly idleSeconds: number;
};

/** Nothing yet. */
export const NO_USAGE: Usage = { replicaSeconds: 0, gpuSeconds: 0, idleSeconds: 0 };

/** What replicas were like for a while. */
export type UsageSample = { readonly ready: number; readonly gpus: number; readonly idle: number; readonly ms: number };

/** The usage with one more while. */
export function used(usage: Usage, { ready, gpus, idle, ms }: UsageSample): Usage {
  const seconds = ms / 1_000;
  return {
    replicaSeconds: usage.replicaSeconds + ready * seconds,
    gpuSeconds: usage.gpuSeconds + gpus * seconds,
    idleSeconds: usage.idleSeconds + idle * seconds,
  };
}
