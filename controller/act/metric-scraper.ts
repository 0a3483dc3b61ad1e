/**
 * Reads the figures that deployments scale by from where their specifications say, as Prometheus text, a few at a time
 * and one question per deployment at a time. What cannot be read changes nothing; a value that stays unread gets too old
 * to be believed, and then the count stays as it is.
 */
import type { Clock } from "../../core/clock.ts";
import type { DeploymentId } from "../../core/ids.ts";
import { METRIC_PERIOD_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import { type ClusterState, deploymentsOf, effectiveRelease } from "../decide/cluster.ts";
import type { ClusterEvent } from "../state/cluster-state.ts";
import { withoutQuery } from "./read-text.ts";

/** One that does not answer holds its place for METRIC_TIMEOUT_MS: the others go on meanwhile. */
const READS_AT_ONCE = 8;

/** A figure whose time to be read has come. */
type Due = { readonly deployment: DeploymentId; readonly name: string; readonly url: string };

/** What a {@link MetricScraper} works with. */
export type MetricScraperDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  /** The text at a URL. Rejects when there is none, in time and of a bearable size. */
  readonly readText: (url: string) => Promise<string>;
  /** The state as it is now. */
  readonly current: () => ClusterState;
  readonly onEvent: (event: ClusterEvent) => void;
};

/** Reads metrics for a cluster. */
export class MetricScraper {
  readonly #deps: MetricScraperDeps;
  readonly #readAt = new Map<DeploymentId, number>();
  /** Those that are being read, or wait for it. */
  readonly #open = new Set<DeploymentId>();
  readonly #waiting: Due[] = [];
  #readingCount = 0;
  readonly #failing = new Set<DeploymentId>();

  constructor(deps: MetricScraperDeps) {
    this.#deps = deps;
  }

  /** Begins to read what is due. Called with every tick. */
  read(): void {
    const { clock, current } = this.#deps;
    const now = clock.now();
    const wanted = new Set<DeploymentId>();
    for (const application of current().applications.values()) {
      const release = effectiveRelease(application);
      if (release === undefined || application.isDeleting) continue;
      for (const { id, spec } of deploymentsOf(release)) {
        const { metric } = spec.options.autoscaling ?? {};
        if (metric?.url === undefined) continue;
        wanted.add(id);
        if (this.#open.has(id)) continue;
        if (now - (this.#readAt.get(id) ?? Number.NEGATIVE_INFINITY) < METRIC_PERIOD_MS) continue;
        this.#readAt.set(id, now);
        this.#open.add(id);
        this.#waiting.push({ deployment: id, name: metric.name, url: metric.url });
      }
    }
    for (const id of this.#readAt.keys()) if (!wanted.has(id)) this.#readAt.delete(id);
    for (const id of this.#failing) if (!wanted.has(id)) this.#failing.delete(id);
    this.#readWaiting();
  }

  #readWaiting(): void {
    while (this.#readingCount < READS_AT_ONCE) {
      const due = this.#waiting.shift();
      if (due === undefined) return;
      this.#readingCount += 1;
      void this.#readOne(due).finally(() => {
        this.#readingCount -= 1;
        this.#open.delete(due.deployment);
        this.#readWaiting();
      });
    }
  }

  /** Never rejects. */
  async #readOne({ deployment, name, url }: Due): Promise<void> {
    const { log, readText, onEvent } = this.#deps;
    try {
      const value = sumOf(await readText(url), name);
      if (value === undefined) throw new Error(`there is no series ${name}`);
      this.#failing.delete(deployment);
      onEvent({ kind: "metricTold", deployment, value });
    } catch (err) {
      // Once for each time it begins to fail: the next attempt is seconds away.
      if (!this.#failing.has(deployment))
        log.warn({ err, deployment, url: withoutQuery(url) }, "a metric could not be read; the count stays");
      this.#failing.add(deployment);
    }
  }
}

/** A series' labels: their values, in quotes, may hold anything, and what comes after may hold braces of its own. */
const LABELS = /^\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}/;

/** The sum of all series of a name; undefined without any. */
export function sumOf(text: string, name: string): number | undefined {
  let sum: number | undefined;
  for (const line of text.split("\n")) {
    if (!line.startsWith(name)) continue;
    const rest = line.slice(name.length);
    if (!rest.startsWith("{") && !rest.startsWith(" ")) continue;
    const after = rest.replace(LABELS, "");
    const value = Number(after.trim().split(/\s+/)[0]);
    if (Number.isFinite(value)) sum = (sum ?? 0) + value;
  }
  return sum;
}
