import { RETRY_BUDGET_SPAN_MS } from "../core/limits.ts";
import { retryBudget } from "./decide/retry.ts";
import { RecentSum } from "./recent-sum.ts";

/** Counts what a router's retry budget follows from. */
export class RetryBudget {
  readonly #requests = new RecentSum(RETRY_BUDGET_SPAN_MS);
  readonly #retries = new RecentSum(RETRY_BUDGET_SPAN_MS);

  request(now: number): void {
    this.#requests.add(1, now);
  }

  retry(now: number): void {
    this.#retries.add(1, now);
  }

  /** Retries that may be made now; `maxOngoingRequests`: of one replica. */
  left(maxOngoingRequests: number, now: number): number {
    const requestCount = this.#requests.total(now);
    return retryBudget({ requestCount, retryCount: this.#retries.total(now), maxOngoingRequests });
  }
}
