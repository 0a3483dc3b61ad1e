import type { Verdict } from "../verdict.ts";

/** What every run is told. */
export type ScalingRunOptions = {
  /** How often what is short is measured again. */
  readonly rounds: number;
};

/** One thing that is measured. */
export type ScalingRun = {
  readonly name: string;
  measure(options: ScalingRunOptions): Promise<ScalingRunResult>;
};

/** What came of a run: its lines for people, the figures for the result file, and the promises it is there for. */
export type ScalingRunResult = {
  readonly title: string;
  readonly notes: readonly string[];
  readonly figures: Readonly<Record<string, unknown>>;
  readonly promises: readonly Verdict[];
};
