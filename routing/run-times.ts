import { RUN_TIMES_KEPT } from "../core/limits.ts";
import type { RunTimeSummary } from "./decide/compare-run-times.ts";

/** So many of the answers took no longer than `lowMs`. */
const LOW_SHARE = 0.1;

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
  summary(): RunTimeSummary & { readonly meanMs: number; readonly lowMs: number } {
    const count = Math.min(this.#added, RUN_TIMES_KEPT);
    let sum = 0;
    for (let at = 0; at < count; at++) sum += this.#runs[at] ?? 0;
    const meanMs = count === 0 ? 0 : sum / count;
    const runs = this.#runs.slice(0, count).sort();
    const shares = this.#shares.slice(0, count).sort();
    const medianShareMs = quantile(shares, 0.5);
    return { count, meanMs, lowMs: quantile(runs, LOW_SHARE), medianMs: quantile(runs, 0.5), medianShareMs };
  }

  clear(): void {
    this.#added = 0;
  }
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}
