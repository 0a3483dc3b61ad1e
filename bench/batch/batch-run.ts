import { availableParallelism } from "node:os";
import type { Verdict } from "../verdict.ts";

/** What every run is told. */
export type BatchRunOptions = {
  /** Of one window; undefined: as long as the run itself thinks right. */
  readonly seconds: number | undefined;
  readonly rounds: number;
  readonly cores: BatchCores;
};

/** Which core does what. */
export type BatchCores = {
  readonly coreCount: number;
  /** The load alone where models sleep. */
  readonly load: number;
  /** Control plane, proxies and replicas where models sleep. */
  readonly serve: number;
  /** The thread that runs a real model, and bare onnxruntime; proxies, replicas and the load are on `load` then. */
  readonly model: number;
};

/** One thing that is measured. */
export type BatchRun = {
  readonly name: string;
  measure(options: BatchRunOptions): Promise<BatchRunResult>;
};

/** What came of a run: a table for people, the figures for the result file, and the promises it is there for. */
export type BatchRunResult = {
  readonly title: string;
  /** Header first. */
  readonly table: readonly (readonly string[])[];
  /** What the table does not say; one line each. */
  readonly notes: readonly string[];
  readonly figures: readonly Readonly<Record<string, unknown>>[];
  readonly promises: readonly Verdict[];
};

/** Plans for the cores there are. */
export function planBatchCores(coreCount = availableParallelism()): BatchCores {
  return { coreCount, load: 0, serve: 1, model: 1 };
}
