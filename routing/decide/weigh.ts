import { LEAST_RUN_TIMES } from "../../core/limits.ts";

/** What a replica's weight follows from. */
export type WeighInput = {
  /** Answers that `meanMs` was learned from. */
  readonly count: number;
  /** From sending a request to its answer: the mean. */
  readonly meanMs: number;
  readonly maxOngoingRequests: number;
  /** Of its node's label `thornback.weight`; 1 without. */
  readonly labelWeight: number;
};

/** Weights, in the order of what was weighed, with a mean of 1; and what they follow from. */
export type WeighDecision = { readonly source: "measured" | "label"; readonly weights: readonly number[] };

/** No replica's share is smaller than this part of the mean: a weight learned in a bad moment must be learned anew. */
const LEAST_WEIGHT = 0.01;

/**
 * How much each replica can do, as shares. A slot that is busy for a second ends 1 ÷ mean run time requests, and a
 * replica has as many slots as it has: 16 slots at 20 ms can do 800 requests a second. Per busy slot, because what a replica does
 * per second says first of all what it was asked to do. The nodes' labels count until that is known of all of them.
 */
export function weigh(replicas: readonly WeighInput[]): WeighDecision {
  const isMeasured = replicas.every(({ count, meanMs }) => count >= LEAST_RUN_TIMES && meanMs > 0);
  const raw = replicas.map(({ meanMs, maxOngoingRequests, labelWeight }) =>
    isMeasured ? maxOngoingRequests / meanMs : labelWeight,
  );
  const mean = raw.reduce((sum, weight) => sum + weight, 0) / Math.max(1, raw.length);
  const weights = raw.map((weight) => Math.max(LEAST_WEIGHT, weight / mean));
  return { source: isMeasured ? "measured" : "label", weights };
}
