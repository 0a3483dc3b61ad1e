/**
 * Measures what a process's routers have to do, for the controller, which scales by it. Counting every change would cost
 * every request; so the routers are looked at every few milliseconds while they have any, and nothing runs while they
 * have none:
 *
 *   idle ──a request comes──▶ sampling ──LOAD_REPORT_MS──▶ a report of the mean, and on ──nothing any more──▶ idle
 *
 * A request that finds no replica at all is told at once: somebody waits for a start. While more of them come, that is told
 * with every look.
 */
import type { Clock, Timer } from "../core/clock.ts";
import type { DeploymentId } from "../core/ids.ts";
import { LOAD_REPORT_MS, LOAD_SAMPLE_MS } from "../core/limits.ts";
import type { DeploymentLoad, VersionLoad } from "../core/load.ts";

/** What is asked of a router. */
export interface MeteredRouter {
  /** Requests that wait for a replica, and those at one. */
  levels(): { readonly queued: number; readonly ongoing: number };
  /** Requests that came, and those that a replica did its work for, since this was asked last. */
  takeCounts(): { readonly arrived: number; readonly answered: number };
  /** How requests of each version ended since this was asked last; empty while none is divided. */
  takeVersions(): readonly VersionLoad[];
}

/** What a meter is made of. */
export type LoadMeterDeps = {
  readonly clock: Clock;
  readonly routers: () => Iterable<readonly [DeploymentId, { readonly metered: MeteredRouter }]>;
  readonly onLoads: (loads: readonly DeploymentLoad[]) => void;
};

/** The meter of all routers of a process. */
export class LoadMeter {
  readonly #deps: LoadMeterDeps;
  /** Sums of what was seen since the last report. */
  readonly #sums = new Map<DeploymentId, number>();
  #sampleCount = 0;
  #timer: Timer | undefined;
  #hasStarved = false;
  #reportAt = 0;
  /** When it was told last that a request waits where there is no replica. */
  #starvedAt = Number.NEGATIVE_INFINITY;
  /** Of the last report, so that the end of it is told too. */
  #told: ReadonlySet<DeploymentId> = new Set();

  constructor(deps: LoadMeterDeps) {
    this.#deps = deps;
  }

  /** A request came to a router. */
  arrived(): void {
    if (this.#timer !== undefined) return;
    this.#reportAt = this.#deps.clock.now() + LOAD_REPORT_MS;
    this.#schedule();
  }

  /** A request waits where there is no replica. */
  starved(): void {
    if (this.#hasStarved) return;
    this.#hasStarved = true;
    const { clock } = this.#deps;
    // The next look tells it then, which is no further away.
    if (this.#timer !== undefined && clock.now() - this.#starvedAt < LOAD_SAMPLE_MS) return;
    this.#timer?.cancel();
    this.#timer = clock.after(0, () => this.#tick());
  }

  close(): void {
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#deps.clock.after(LOAD_SAMPLE_MS, () => this.#tick());
  }

  #tick(): void {
    const now = this.#deps.clock.now();
    this.#sampleCount += 1;
    let isBusy = false;
    for (const [id, { metered }] of this.#deps.routers()) {
      const { queued, ongoing } = metered.levels();
      if (queued + ongoing === 0) continue;
      isBusy = true;
      this.#sums.set(id, (this.#sums.get(id) ?? 0) + queued + ongoing);
    }
    if (now >= this.#reportAt || this.#hasStarved) isBusy = this.#report(now) || isBusy;
    else isBusy = true;
    this.#timer = undefined;
    if (isBusy) this.#schedule();
  }

  /** False when there was nothing to tell. */
  #report(now: number): boolean {
    const loads: DeploymentLoad[] = [];
    const told = new Set<DeploymentId>();
    // Those whose router is gone are left.
    const gone = new Set(this.#told);
    for (const [deployment, { metered }] of this.#deps.routers()) {
      const { arrived, answered } = metered.takeCounts();
      const versions = metered.takeVersions();
      const ongoingMean = (this.#sums.get(deployment) ?? 0) / this.#sampleCount;
      const isActive = arrived + answered > 0 || ongoingMean > 0 || versions.length > 0;
      if (isActive) told.add(deployment);
      else if (!this.#told.has(deployment)) continue;
      gone.delete(deployment);
      loads.push({ deployment, queued: metered.levels().queued, ongoingMean, arrived, answered, versions });
    }
    for (const deployment of gone) {
      loads.push({ deployment, queued: 0, ongoingMean: 0, arrived: 0, answered: 0, versions: [] });
    }
    this.#sums.clear();
    this.#sampleCount = 0;
    if (this.#hasStarved) this.#starvedAt = now;
    this.#hasStarved = false;
    this.#told = told;
    this.#reportAt = now + LOAD_REPORT_MS;
    if (loads.length > 0) this.#deps.onLoads(loads);
    return loads.length > 0;
  }
}
