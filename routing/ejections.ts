import type { Clock } from "../core/clock.ts";
import type { DeploymentId } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import type { Gauge, Metrics } from "../core/metric.ts";
import type { Candidate } from "./candidate.ts";
import { eject, failed, IN, mostEjected, probing, succeeded } from "./decide/eject.ts";

/** What ejections are made of. */
export type EjectionsDeps = { readonly clock: Clock; readonly log: Logger; readonly metrics: Metrics };

/** Carries out what `decide/eject.ts` decides about a deployment's replicas: standings, timers, log and metrics. */
export class Ejections {
  readonly #deps: EjectionsDeps;
  readonly #deployment: DeploymentId;
  readonly #onChange: (candidate: Candidate) => void;
  readonly #gauge: Gauge;
  #replicaCount = 0;
  #ejectedCount = 0;

  /** `onChange`: a replica's standing has changed. */
  constructor(deps: EjectionsDeps, deployment: DeploymentId, onChange: (candidate: Candidate) => void) {
    this.#deps = deps;
    this.#deployment = deployment;
    this.#onChange = onChange;
    this.#gauge = deps.metrics.gauge("thornback_router_ejected_replicas", { deployment });
  }

  /** A replica failed. */
  failed(candidate: Candidate): void {
    candidate.standing = failed(candidate.standing, this.#deps.clock.now());
    this.consider(candidate);
  }

  /** A replica answered. */
  succeeded(candidate: Candidate): void {
    const before = candidate.standing;
    if (before.kind === "in" && before.failureCount === 0) return;
    candidate.standing = succeeded(before, this.#deps.clock.now());
    if (before.kind === "probing") this.#return(candidate);
  }

  /** Leaves a replica out, if there is reason to and enough others are left. */
  consider(candidate: Candidate, isSlow = false): void {
    const { clock, log, metrics } = this.#deps;
    const { standing, client } = candidate;
    const [replicaCount, ejectedCount] = [this.#replicaCount, this.#ejectedCount];
    const input = { standing, isSilent: client.isSilent, isSlow, replicaCount, ejectedCount };
    const decision = eject(input, clock.now());
    if (decision.kind === "keep") return;
    const { reason, forMs } = decision;
    if (standing.kind === "in") this.#count(1);
    candidate.standing = decision.standing;
    candidate.isProbed = false;
    candidate.runTimes.clear();
    candidate.timer = clock.after(forMs, () => {
      candidate.standing = probing(candidate.standing);
      this.#onChange(candidate);
    });
    const deployment = this.#deployment;
    log.warn({ deployment, replica: candidate.entry.id, reason, forMs }, "a replica is left out for a while");
    metrics.counter("thornback_router_ejections_total", { deployment, reason }).add(1);
    this.#onChange(candidate);
    // Whatever else is wrong with a replica, it may still answer; one that is silent most likely will not.
    if (reason === "silent") client.giveUp();
  }

  /** These are the replicas in the table now. Where fewer may be out than are, those that have waited longest return. */
  resize(candidates: readonly Candidate[]): void {
    this.#replicaCount = candidates.length;
    if (this.#ejectedCount <= mostEjected(candidates.length)) return;
    const ejected = candidates.filter(({ standing }) => standing.kind !== "in");
    ejected.sort((one, other) => one.standing.at - other.standing.at);
    for (const candidate of ejected.slice(0, this.#ejectedCount - mostEjected(candidates.length))) {
      candidate.standing = IN;
      this.#return(candidate);
    }
  }

  /** A replica has left the table. */
  forget(candidate: Candidate): void {
    candidate.timer?.cancel();
    if (candidate.standing.kind !== "in") this.#count(-1);
    candidate.standing = IN;
  }

  #return(candidate: Candidate): void {
    candidate.timer?.cancel();
    candidate.isProbed = false;
    this.#count(-1);
    const deployment = this.#deployment;
    this.#deps.log.info({ deployment, replica: candidate.entry.id }, "a replica that was left out is back");
    this.#onChange(candidate);
  }

  #count(more: 1 | -1): void {
    this.#ejectedCount += more;
    this.#gauge.set(this.#ejectedCount);
  }
}
