import type { RunResult } from "./cluster.ts";

/** What the seeds of a run came to together, and whether they showed what they were to show. */
export class Summary {
  readonly #leastRequests: number;
  readonly #faults = new Map<string, number>();
  #seeds = 0;
  #violations = 0;
  #requests = 0;
  /** Of those without a violation. */
  #fewest: { readonly seed: number | undefined; readonly requests: number } = { seed: undefined, requests: Infinity };
  #shortestMs = Infinity;

  /** `leastRequests`: fewer in any seed are a failure of the run. */
  constructor(leastRequests: number) {
    this.#leastRequests = leastRequests;
  }

  /** Takes in one seed's. */
  add({ seed, requests, virtualMs, violations, faults }: RunResult): void {
    this.#seeds += 1;
    this.#violations += violations.length > 0 ? 1 : 0;
    this.#requests += requests;
    // A violation ends a run early, which says nothing about how large the others are.
    if (violations.length === 0) {
      if (requests < this.#fewest.requests) this.#fewest = { seed, requests };
      this.#shortestMs = Math.min(this.#shortestMs, virtualMs);
    }
    for (const [kind, count] of Object.entries(faults)) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count);
  }

  /** Kinds of faults that no seed showed. A few seeds of a few seconds cannot show all of them, many must. */
  get #missing(): readonly string[] {
    return [...this.#faults].filter(([, count]) => count === 0).map(([kind]) => kind);
  }

  /** Why the run failed, a sentence each; nothing: it did not. */
  problems(): readonly string[] {
    const { seed, requests } = this.#fewest;
    const missing = this.#seeds < this.#faults.size ? [] : this.#missing;
    return [
      ...(this.#violations > 0 ? [`${this.#violations} of ${this.#seeds} seeds broke a rule`] : []),
      ...(requests < this.#leastRequests ? [`seed ${seed} had ${requests} requests, not ${this.#leastRequests}`] : []),
      ...missing.map((kind) => `no seed had the fault ${kind}`),
    ];
  }

  /** Figures of the whole run, for its last lines. */
  lines(): readonly string[] {
    const faults = [...this.#faults].map(([kind, count]) => `${kind} ${count}`).join(", ");
    const { seed, requests } = this.#fewest;
    const least = `at least ${requests} (seed ${seed}) in at least ${(this.#shortestMs / 1_000).toFixed(1)} virtual s`;
    return [
      `faults: ${faults === "" ? "none" : faults}`,
      `requests: ${this.#requests}${seed === undefined ? "" : `, ${least}`}`,
      `violations: ${this.#violations} of ${this.#seeds} seeds`,
    ];
  }
}
