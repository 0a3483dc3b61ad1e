import { availableParallelism } from "node:os";
import type { Problem } from "../core/error.ts";
import { MOST_MODEL_THREADS } from "../core/limits.ts";
import type { Feeds } from "./session.ts";

/** How an `OnnxModel` stacks runs. */
export type OnnxBatchOptions = {
  /**
   * Most runs stacked into one. No default: it depends on the model and its memory. 1 turns stacking off; far more than
   * are asked for while one runs changes nothing.
   */
  readonly maxBatchSize: number;
  /**
   * What fills inputs that are shorter than their neighbours, by input: `{ input_ids: 0, attention_mask: 0 }`. Padded are
   * the dimensions, but for the first, that the model leaves open; dimensions of its outputs that have the same name are
   * cut back to each run's own size. Right only for a model that takes no notice of what is filled, as its mask tells
   * it to. Default: only runs of one shape are stacked.
   */
  readonly pad?: Readonly<Record<string, number>>;
};

/** Options of `OnnxModel`. */
export type OnnxModelOptions = {
  /**
   * Execution providers in order of preference, by onnxruntime's names. Default: `["cuda", "cpu"]` where the replica was
   * given a GPU, else `["cpu"]`. One that cannot be used is logged with its cause, and the next is tried.
   */
  readonly providers?: readonly string[];
  /** Fails the start when the first provider cannot be used. Default false: the next one is slower, but serves. */
  readonly strict?: boolean;
  /**
   * What to run once before the replica is ready, so that the first request does not pay for memory that is made on
   * first use. Default: zeros of the smallest shape that fits, where a failure is of no consequence; false: nothing.
   */
  readonly warmup?: Feeds | false;
  /**
   * Stacks runs that are asked for at the same time along dimension 0, at most `maxBatchSize` of them, and takes their
   * outputs apart again. Default: every run on its own. The model's inputs and outputs must leave dimension 0 open.
   */
  readonly batch?: OnnxBatchOptions;
  /**
   * Threads that compute one run on the CPU. Default: the whole part of the replica's `resources.cpus`, at least 1, so that
   * replicas that declare what they use never have more threads than their node has cores. With more threads than cores a
   * lone run is no faster, and several at once are slower than with one thread each.
   */
  readonly threads?: number;
  /** Lets NaN through in floating-point inputs. Default false: it is a mistake more often than a missing value. */
  readonly allowNaN?: boolean;
};

/** What is wrong with what a model is made from; empty: nothing. */
export function optionProblems(path: unknown, options: OnnxModelOptions): Problem[] {
  const problems: Problem[] = [];
  if (!(path instanceof URL) && (typeof path !== "string" || path === "")) {
    problems.push({ path: "path", message: "must be a file's path or URL" });
  }
  const { batch, providers, threads } = options;
  if (batch !== undefined && (!Number.isSafeInteger(batch.maxBatchSize) || batch.maxBatchSize < 1)) {
    problems.push({ path: "batch.maxBatchSize", message: "must be a whole number of at least 1" });
  }
  for (const [input, filler] of Object.entries(batch?.pad ?? {})) {
    if (typeof filler === "number" && !Number.isNaN(filler)) continue;
    problems.push({ path: `batch.pad.${input}`, message: "must be a number" });
  }
  if (threads !== undefined && (!Number.isSafeInteger(threads) || threads < 1 || threads > MOST_MODEL_THREADS)) {
    problems.push({ path: "threads", message: `must be a whole number from 1 to ${MOST_MODEL_THREADS}` });
  }
  if (providers !== undefined && providers.length === 0) {
    problems.push({ path: "providers", message: "must name at least one" });
  }
  return problems;
}

/** Threads of a run where nobody said otherwise, by what the replica was granted of its node's cores. */
export function defaultThreads(cpus: number): number {
  return Math.max(1, Math.floor(cpus));
}

/**
 * Whether a run's threads may wait for one another by spinning. Alone on their cores they are a tenth faster so; where
 * something else wants a core too, they spin while the one they wait for is not running, and do half to two thirds of the
 * work (`docs/decisions/012-threads-of-a-model.md`). With a thread for each core, the replica's own loop is that else.
 */
export function maySpin(threads: number, cores: number = availableParallelism()): boolean {
  return threads < cores;
}
