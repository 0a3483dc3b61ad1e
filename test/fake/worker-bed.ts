import { createMetrics } from "../../core/metric-registry.ts";
import type { Address } from "../../core/network.ts";
import { seededRandom } from "../../core/random.ts";
import type { Bundles } from "../../worker/bundles.ts";
import type { WorkerOptions } from "../../worker/worker.ts";
import { Worker } from "../../worker/worker.ts";
import { assignedReplica } from "./assigned-replica.ts";
import { FakeController } from "./fake-controller.ts";
import type { FakeProcess } from "./fake-spawner.ts";
import { FakeSpawner } from "./fake-spawner.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryNodeFiles } from "./memory-node-files.ts";
import { RecordingLog } from "./recording-log.ts";

/** A node's usual proxy. */
export const ONE_PROXY: WorkerOptions["proxies"] = {
  http: { host: "127.0.0.1", port: 8_000 },
  hasListened: false,
  proxyCount: 1,
  httpFront: "node",
  trustedProxies: [],
};

/** One node with everything around its worker in memory. */
export class WorkerBed {
  readonly clock = new ManualClock();
  readonly log = new RecordingLog();
  readonly spawner = new FakeSpawner();
  readonly files = new MemoryNodeFiles();
  readonly controller = new FakeController();
  /** Of the worker that runs. */
  metrics = createMetrics();
  worker: Worker;
  proxyReady: Address | undefined;
  proxyFailed: string | undefined;
  shutdowns = 0;
  readonly #bundles: Partial<Bundles>;
  readonly #options: Partial<WorkerOptions>;
  #secrets = 0;

  constructor(bundles: Partial<Bundles> = {}, options: Partial<WorkerOptions> = {}) {
    this.#bundles = bundles;
    this.#options = options;
    this.worker = this.#create();
  }

  /** A node whose worker is connected. */
  static async start(bundles?: Partial<Bundles>, options?: Partial<WorkerOptions>): Promise<WorkerBed> {
    const bed = new WorkerBed(bundles, options);
    await bed.worker.start();
    bed.connect();
    return bed;
  }

  connect(): void {
    this.worker.connect(this.controller, { cpus: 2, memoryBytes: 1e9, gpus: [], custom: {} });
  }

  /** As after kill -9 of the daemon: another one on the same files and processes. Resolves once it is connected. */
  async restartWorker(
    redial: (process: FakeProcess) => void = (process) => void process.dial(this.worker),
    sayState: (replica: FakeProcess) => void = (replica) => replica.sayReady(),
  ): Promise<void> {
    this.worker.close();
    this.worker = this.#create();
    const started = this.worker.start();
    for (const process of this.spawner.processes) if (process.isAlive) redial(process);
    for (const process of this.spawner.processes) if (process.isAlive && this.#isReplica(process)) sayState(process);
    for (const process of this.spawner.alive("proxy")) {
      process.say({ kind: "proxy", address: { host: "127.0.0.1", port: 8_000 }, reason: "" });
    }
    await this.clock.advanceAsync(3_000);
    await started;
    this.connect();
    await this.clock.advanceAsync(10);
  }

  /** The process that a replica runs in. */
  child(replica: string): FakeProcess {
    const found = this.spawner.processes.findLast(
      ({ run, isAlive }) => isAlive && this.files.runs.get(run.id)?.assigned?.replicaId === replica,
    );
    if (found === undefined) throw new Error(`${replica} has no process`);
    return found;
  }

  /** Assigns a replica, and its process dials. */
  async ordered(id: string, epoch = 1): Promise<FakeProcess> {
    this.controller.assign([assignedReplica(id)], epoch);
    await this.clock.advanceAsync(10);
    const child = this.child(id);
    child.dial(this.worker);
    return child;
  }

  /** Assigns a replica that becomes ready. */
  async replica(id: string, epoch = 1): Promise<FakeProcess> {
    const child = await this.ordered(id, epoch);
    child.sayReady();
    await this.clock.advanceAsync(10);
    return child;
  }

  #isReplica(process: FakeProcess): boolean {
    return this.files.runs.get(process.run.id)?.assigned !== undefined;
  }

  #create(): Worker {
    const { clock, log, spawner, files } = this;
    this.metrics = createMetrics();
    return new Worker({
      ...{ clock, random: seededRandom(1 + this.#secrets), log, metrics: this.metrics, spawner, files },
      bundles: {
        prepare: ({ bundle }) => Promise.resolve({ bundleDir: `/bundles/${bundle}`, projectDir: "/project" }),
        keep() {},
        ...this.#bundles,
      },
      logs: { tail: () => Promise.resolve(""), prune() {} },
      secret: () => `secret-${this.#secrets++}`,
      listener: {
        onProxyReady: (address) => (this.proxyReady = address),
        onProxyFailed: (reason) => (this.proxyFailed = reason),
        onShutdown: () => this.shutdowns++,
      },
      options: {
        children: { controlSocket: "control.sock", lifelineSocket: "", dataDir: "data", logLevel: "info" },
        nodeHost: "127.0.0.1",
        proxies: ONE_PROXY,
        labels: {},
        warmPoolSize: 1,
        inspect: undefined,
        ...this.#options,
      },
    });
  }
}
