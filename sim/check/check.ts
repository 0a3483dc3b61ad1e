import type { SimEvent } from "../event.ts";

/** Watches a run and says what it did wrong. */
export interface Check {
  /** Shown when it finds something; the name of its file. */
  readonly name: string;
  /** What is wrong with this event after all that came before; undefined: nothing. */
  observe(at: number, event: SimEvent): string | undefined;
  /** What is wrong with the state in which a run ended, long after faults and load had stopped. */
  atEnd(at: number): string | undefined;
}

/** What a check found. */
export type Violation = { readonly check: string; readonly at: number; readonly message: string };
