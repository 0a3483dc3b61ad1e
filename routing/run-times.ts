import { RUN_TIMES_KEPT } from "../core/limits.ts";
import type { RunTimeSummary } from "./decide/compare-run-times.ts";

/** How long a replica took for its latest answers. */
export class RunTimes {
  readonly #runs = new Float64Array(RUN_TIMES_KEPT);
  readonly #shares = new Float64Array(RUN_TIMES_KEPT);
  #added = 0;

  /** `ongoing`: requests that it had when it answered, that one included. */
  add(runMs: number, ongoing: number): void {
    const at = this.#added % RUN_TIMES_KEPT;
    this.#runs[at] = runMs;
    this.#shares[at] = runMs / ongoing;
    this.#added += 1;
  }

  /** Costs two sorts: not for every answer. */
  summary(): RunTimeSummary & { readonly meanMs: number } {
    const count = Math.min(this.#added, RUN_TIMES_KEPT);
    let sum = 0;
    for (let at = 0; at < count; at++) sum += this.#runs[at] ?? 0;
    const meanMs = count === 0 ? 0 : sum / count;
    return { count, meanMs, medianMs: median(this.#runs, count), medianShareMs: median(this.#shares, count) };
  }

  clear(): void {
    this.#added = 0;
  }
}

function median(values: Float64Array, count: number): number {
  return values.slice(0, count).sort()[(count - 1) >> 1] ?? 0;
}
