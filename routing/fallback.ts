import { splitDeploymentId, type DeploymentId } from "../core/ids.ts";
import { DEGRADED_LOG_MS } from "../core/limits.ts";
import type { Counter } from "../core/metric.ts";
import type { DeploymentEntry } from "../core/table.ts";
import { degrade, type Refusal } from "./decide/degrade.ts";
import type { PoolDeps } from "./replica-pool.ts";
import type { RoutedAnswer, RoutedRequest, RouterRequest } from "./routed-request.ts";

/** Header of an answer that another deployment than the one asked for had a part in: that one's name. */
export const DEGRADED_HEADER = "x-thornback-degraded";

/** The routers of a process, as one of them sends to another. */
export type Peers = {
  entryOf(id: DeploymentId): DeploymentEntry | undefined;
  send(id: DeploymentId, request: RouterRequest): Promise<RoutedAnswer>;
};

/** Hands requests that one deployment does not take to its fallback: counted, logged, and marked in the answer. */
export class Fallback {
  readonly #deps: Pick<PoolDeps, "clock" | "log" | "metrics">;
  readonly #peers: Peers;
  /** By fallback and reason, each asked for once. */
  readonly #counters = new Map<string, Counter>();
  #loggedAt = Number.NEGATIVE_INFINITY;
  #unloggedCount = 0;

  constructor(deps: Pick<PoolDeps, "clock" | "log" | "metrics">, peers: Peers) {
    this.#deps = deps;
    this.#peers = peers;
  }

  /** The answer of the fallback to a request of which nothing was done; undefined when there is none to be had. */
  take(
    entry: DeploymentEntry,
    { request, isReplayable }: Pick<RoutedRequest, "request" | "isReplayable">,
    refusal: Refusal,
  ): Promise<RoutedAnswer> | undefined {
    const degradedCount = request.degradedCount ?? 0;
    const { entryOf } = this.#peers;
    const decision = degrade({ entry, refusal, isReplayable, degradedCount, entryOf });
    if (decision.kind === "keep") return undefined;
    const { to, reason } = decision;
    this.#note(entry.id, to.id, reason);
    const isIdempotent = request.isIdempotent && (to.idempotent || isSafe(request));
    const handed = this.#peers.send(to.id, { ...request, isIdempotent, degradedCount: degradedCount + 1 });
    // Where the fallback has fallen back in turn, its own answer says to whom.
    return handed.then((answer) => (answer.degradedBy === undefined ? { ...answer, degradedBy: to.id } : answer));
  }

  #note(from: DeploymentId, to: DeploymentId, reason: Refusal): void {
    const { clock, log } = this.#deps;
    this.#counterOf(from, to, reason).add(1);
    this.#unloggedCount += 1;
    const now = clock.now();
    if (now - this.#loggedAt < DEGRADED_LOG_MS) return;
    const count = this.#unloggedCount;
    this.#loggedAt = now;
    this.#unloggedCount = 0;
    log.warn({ deployment: from, fallback: to, reason, count }, `${from} cannot take requests, ${to} answers them`);
  }

  #counterOf(deployment: DeploymentId, fallback: DeploymentId, reason: Refusal): Counter {
    const key = `${reason} ${fallback}`;
    let counter = this.#counters.get(key);
    if (counter === undefined) {
      counter = this.#deps.metrics.counter("thornback_degraded_requests_total", { deployment, fallback, reason });
      this.#counters.set(key, counter);
    }
    return counter;
  }
}

/** How a deployment is named where its application is known. */
export function degradedName(id: DeploymentId): string {
  return splitDeploymentId(id).deployment;
}

/** A GET does no harm twice, whichever deployment gets it. What else may be sent twice each deployment says for itself. */
function isSafe({ head }: RouterRequest): boolean {
  return head.kind !== "call" && (head.method === "GET" || head.method === "HEAD");
}
