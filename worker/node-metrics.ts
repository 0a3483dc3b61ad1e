import type { ReplicaReport } from "../core/assignment.ts";
import type { Clock } from "../core/clock.ts";
import { COLLECT_TIMEOUT_MS } from "../core/limits.ts";
import type { Gauge, Metrics, Sample } from "../core/metric.ts";
import { metricText } from "../core/metric-text.ts";
import type { Child, Children } from "./children.ts";

/** What {@link NodeMetrics} is made from. */
export type NodeMetricsDeps = {
  readonly clock: Clock;
  readonly metrics: Metrics & { samples(): readonly Sample[] };
  readonly children: Children;
  readonly reports: () => readonly ReplicaReport[];
};

/** One gathering: who was asked and has not answered. */
type Gathering = { readonly asked: Set<Child>; readonly samples: Sample[]; readonly done: () => void };

/** The metrics of the whole node: the worker's own and those of all its children, as one text. */
export class NodeMetrics {
  readonly #deps: NodeMetricsDeps;
  readonly #gatherings = new Map<number, Gathering>();
  readonly #replicaGauges = new Map<string, Gauge>();
  #nextId = 1;
  #current: Promise<string> | undefined;

  constructor(deps: NodeMetricsDeps) {
    this.#deps = deps;
  }

  /** Prometheus text; a child that does not answer in time is left out. Those who ask at once share one gathering. */
  text(): Promise<string> {
    this.#current ??= this.#gather().finally(() => (this.#current = undefined));
    return this.#current;
  }

  /** A child answered. */
  answered(child: Child, id: number, samples: readonly Sample[]): void {
    const gathering = this.#gatherings.get(id);
    if (gathering === undefined || !gathering.asked.delete(child)) return;
    gathering.samples.push(...samples);
    if (gathering.asked.size === 0) gathering.done();
  }

  /** A child is gone and will not answer. */
  gone(child: Child): void {
    for (const gathering of this.#gatherings.values()) {
      if (gathering.asked.delete(child) && gathering.asked.size === 0) gathering.done();
    }
  }

  async #gather(): Promise<string> {
    const { clock, metrics, children } = this.#deps;
    const asked = new Set(children.all().filter((child) => child.link !== undefined));
    const samples: Sample[] = [];
    const id = this.#nextId++;
    if (asked.size > 0) {
      await new Promise<void>((done) => {
        const timer = clock.after(COLLECT_TIMEOUT_MS, done);
        const finish = (): void => {
          timer.cancel();
          done();
        };
        this.#gatherings.set(id, { asked, samples, done: finish });
        for (const child of asked) children.send(child, { kind: "getSamples", id });
      });
      this.#gatherings.delete(id);
    }
    this.#countReplicas();
    return metricText([...metrics.samples(), ...samples]);
  }

  #countReplicas(): void {
    const counts = new Map<string, number>();
    for (const { deployment, state } of this.#deps.reports()) {
      const key = JSON.stringify({ deployment, state });
      counts.set(key, (counts.get(key) ?? 0) + 1);
      if (this.#replicaGauges.has(key)) continue;
      this.#replicaGauges.set(key, this.#deps.metrics.gauge("thornback_replicas", { deployment, state }));
    }
    // Series that were there once go on as 0: one that vanished would keep its last value in many dashboards.
    for (const [key, gauge] of this.#replicaGauges) gauge.set(counts.get(key) ?? 0);
  }
}
