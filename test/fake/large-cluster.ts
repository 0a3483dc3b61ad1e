import { Controller } from "../../controller/controller.ts";
import { isServing } from "../../controller/decide/cluster.ts";
import type { BlobStore } from "../../controller/state/blob-store.ts";
import { HEARTBEAT_MS } from "../../core/limits.ts";
import { createMetrics } from "../../core/metric-registry.ts";
import { seededRandom } from "../../core/random.ts";
import type { ApplicationSpec } from "../../core/spec.ts";
import { applicationSpec } from "./cluster-fixture.ts";
import { LightWorker, type LightWorkerListener } from "./light-worker.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryStore } from "./memory-store.ts";
import { RecordingLog } from "./recording-log.ts";

/** How large a cluster is. */
export type ClusterSize = { readonly nodes: number; readonly replicas: number; readonly deployments: number };

/** Deployments of one application: a graph of usual size. */
const DEPLOYMENTS_PER_APPLICATION = 4;
/** Time passes in steps of this, after each of which workers tell which table they have. */
const STEP_MS = 100;

const NO_BLOBS: BlobStore = {
  has: () => Promise.resolve(true),
  read: () => Promise.reject(new Error("no blobs here")),
  write: () => Promise.resolve(),
  list: () => Promise.resolve([]),
  delete: () => Promise.resolve(),
};

/** Applications of four deployments each, with as many replicas each as make the whole. */
export function largeApplications({ replicas, deployments }: ClusterSize, version = "v1"): readonly ApplicationSpec[] {
  const each = Math.ceil(replicas / deployments);
  const count = Math.ceil(deployments / DEPLOYMENTS_PER_APPLICATION);
  return Array.from({ length: count }, (_, i) => {
    const ofThis = Math.min(DEPLOYMENTS_PER_APPLICATION, deployments - i * DEPLOYMENTS_PER_APPLICATION);
    const names = Array.from({ length: ofThis }, (_none, d) => `Part${d}`);
    const given = Object.fromEntries(names.map((name) => [name, { version, replicas: each }]));
    return applicationSpec(`app-${i}`, given, { routePrefix: `/app-${i}` });
  });
}

/** A real controller in virtual time, with many workers that do at once what they are told. */
export class LargeCluster {
  readonly controller: Controller;
  readonly workers: readonly LightWorker[];
  readonly #log: RecordingLog;
  readonly #size: ClusterSize;
  readonly #clock: ManualClock;
  readonly #lost = new Set<LightWorker>();
  #nextBeatAt = 0;

  private constructor(
    size: ClusterSize,
    on: LightWorkerListener,
    parts: { readonly controller: Controller; readonly clock: ManualClock; readonly log: RecordingLog },
  ) {
    this.#size = size;
    this.controller = parts.controller;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.workers = Array.from({ length: size.nodes }, (_, i) => new LightWorker(`n${i}`, on));
  }

  /** An empty cluster whose nodes have all registered. */
  static async start(size: ClusterSize, on: LightWorkerListener = {}): Promise<LargeCluster> {
    const clock = new ManualClock();
    const log = new RecordingLog();
    const random = seededRandom(1);
    const metrics = createMetrics();
    const controller = await Controller.start({
      clock,
      random,
      log,
      metrics,
      store: new MemoryStore(),
      blobs: NO_BLOBS,
    });
    const cluster = new LargeCluster(size, on, { controller, clock, log });
    for (const worker of cluster.workers) worker.connect(controller.service);
    await clock.advanceAsync(0);
    return cluster;
  }

  /** Virtual milliseconds since the start. */
  now(): number {
    return this.#clock.now();
  }

  /** Time passes; workers that are there say that they live. */
  async pass(ms: number): Promise<void> {
    for (const until = this.now() + ms; this.now() < until;) {
      const isBeat = this.now() >= this.#nextBeatAt;
      if (isBeat) this.#nextBeatAt = this.now() + HEARTBEAT_MS;
      for (const worker of this.workers) {
        if (this.#lost.has(worker)) continue;
        if (isBeat) worker.heartbeat();
        else worker.acknowledge();
      }
      await this.#clock.advanceAsync(Math.min(STEP_MS, until - this.now()));
    }
  }

  /** What is due now happens; no time passes. */
  settle(): Promise<void> {
    return this.#clock.advanceAsync(0);
  }

  /** Deploys everything, and lets it come up. Returns the virtual milliseconds that it took. */
  async deploy(specs: readonly ApplicationSpec[]): Promise<number> {
    const beganAt = this.now();
    await Promise.all(specs.map((spec) => this.controller.deploy({ spec, secrets: {} }, { isPlan: false })));
    await this.converge();
    return this.now() - beganAt;
  }

  /** The power of so many nodes fails at once. */
  lose(count: number): readonly LightWorker[] {
    const lost = this.workers.filter((worker) => !this.#lost.has(worker)).slice(0, count);
    for (const worker of lost) {
      this.#lost.add(worker);
      worker.vanish();
    }
    return lost;
  }

  /** Lets time pass until every replica that is wanted serves. Returns the virtual milliseconds that it took. */
  async converge(withinMs = 60_000): Promise<number> {
    const beganAt = this.now();
    while (!this.isWhole()) {
      if (this.now() >= beganAt + withinMs)
        throw new Error(`only ${this.servingCount()} replicas serve: ${this.problem()}`);
      await this.pass(STEP_MS);
    }
    return this.now() - beganAt;
  }

  /** Whether as many replicas serve as there are to be, all of them on nodes that are there. */
  isWhole(): boolean {
    return this.servingCount() === this.#size.replicas;
  }

  /** What the controller could not do, the first of it; empty: nothing. */
  problem(): string {
    const line = this.#log.lines.find(({ level }) => level === "error");
    return line === undefined ? "" : `${line.message} ${String(line.fields["err"] ?? "")}`;
  }

  /** Replicas that every router knows, on nodes that are there. */
  servingCount(): number {
    const lost = new Set([...this.#lost].map(({ node }) => node));
    const state = this.controller.snapshot();
    let count = 0;
    for (const replica of state.replicas.values()) {
      if (replica.node === undefined || lost.has(replica.node)) continue;
      if (isServing(state, replica, this.now())) count++;
    }
    return count;
  }
}
