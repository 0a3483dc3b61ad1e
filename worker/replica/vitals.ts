import type { AbandonedRun } from "../../core/construction.ts";

/** What a replica's process can tell of itself, beside its requests and batches. */
export interface Vitals {
  /** Milliseconds that its event loop has been at work, all together. */
  loopActiveMs(): number;
  /** Milliseconds that at least one of its models ran. */
  modelBusyMs(): number;
  /** Runs of models that go on although their callers are gone. */
  abandonedRuns(): readonly AbandonedModelRun[];
  /** Its worker is to hear that its event loop runs. */
  readonly hasBeat: boolean;
}

/** A run of a model that nobody waits for. */
export type AbandonedModelRun = AbandonedRun & { readonly name: string };

/** Of the simulation, where no event loop is ever blocked: what requests and batches tell is all. */
export const NO_VITALS: Vitals = {
  loopActiveMs: () => 0,
  modelBusyMs: () => 0,
  abandonedRuns: () => [],
  hasBeat: false,
};
