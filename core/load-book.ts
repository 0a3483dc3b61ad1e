import type { DeploymentId } from "./ids.ts";
import { type DeploymentLoad, mergeVersionLoads, type VersionLoad } from "./load.ts";

/** What is known of one deployment. */
type Page<Source> = {
  /** The newest report of each source; one that has nothing is not kept. */
  readonly latest: Map<Source, Pick<DeploymentLoad, "queued" | "ongoingMean">>;
  arrived: number;
  answered: number;
  versions: readonly VersionLoad[];
  isChanged: boolean;
};

/**
 * Adds up what several sources say of the same deployments: the processes of a node for its worker, the nodes for the
 * controller. Levels are the newest of each source, counts are everything since the last `take`.
 */
export class LoadBook<Source> {
  readonly #pages = new Map<DeploymentId, Page<Source>>();

  /** A source reported. */
  heard(source: Source, loads: readonly DeploymentLoad[]): void {
    for (const { deployment, queued, ongoingMean, arrived, answered, versions } of loads) {
      const page = this.#pageOf(deployment);
      if (queued === 0 && ongoingMean === 0) page.latest.delete(source);
      else page.latest.set(source, { queued, ongoingMean });
      page.arrived += arrived;
      page.answered += answered;
      page.versions = mergeVersionLoads(page.versions, versions);
      page.isChanged = true;
    }
  }

  /** A source is gone, and with it what waited in it or was ongoing. */
  gone(source: Source): void {
    for (const page of this.#pages.values()) if (page.latest.delete(source)) page.isChanged = true;
  }

  /** What there is of every deployment that has requests, or had some until now. */
  take(): readonly DeploymentLoad[] {
    const loads: DeploymentLoad[] = [];
    for (const [deployment, page] of this.#pages) {
      let queued = 0;
      let ongoingMean = 0;
      for (const level of page.latest.values()) {
        queued += level.queued;
        ongoingMean += level.ongoingMean;
      }
      const { arrived, answered, versions } = page;
      loads.push({ deployment, queued, ongoingMean, arrived, answered, versions });
      if (page.latest.size === 0) this.#pages.delete(deployment);
      page.arrived = 0;
      page.answered = 0;
      page.versions = [];
      page.isChanged = false;
    }
    return loads;
  }

  /** Whether anything was heard since the last `take`. */
  get isChanged(): boolean {
    for (const { isChanged } of this.#pages.values()) if (isChanged) return true;
    return false;
  }

  #pageOf(deployment: DeploymentId): Page<Source> {
    let page = this.#pages.get(deployment);
    if (page === undefined) {
      page = { latest: new Map(), arrived: 0, answered: 0, versions: [], isChanged: false };
      this.#pages.set(deployment, page);
    }
    return page;
  }
}
