import type { Assignment, ControllerMessage, NodeResources, WorkerMessage } from "../core/assignment.ts";
import { SUPERVISE_BACKOFF } from "../core/limits.ts";
import { DEFAULT_HTTP_FRONT } from "../core/process-config.ts";
import { createMetrics } from "../core/metric-registry.ts";
import type { ControllerTransport } from "../proto/transport.ts";
import type { Random } from "../core/random.ts";
import type { Bundles } from "../worker/bundles.ts";
import type { NodeFiles } from "../worker/node-files.ts";
import { Worker } from "../worker/worker.ts";
import { between } from "./seed.ts";
import type { SimControl } from "./sim-control.ts";
import { createSimFiles } from "./sim-files.ts";
import type { SimLinks } from "./sim-link.ts";
import { createSimLog } from "./sim-log.ts";
import { KILLED, POWER_LOST, type SimProcess } from "./sim-process.ts";
import { type Program, SimSpawner } from "./sim-spawner.ts";
import type { World } from "./world.ts";

/**
 * A machine with one node on it: its disk, the production worker under a supervisor that starts it again, and the
 * worker's children, which live on when it is killed. Power loss takes all of them at once.
 */

/** What a machine is made from. */
export type SimMachineDeps = {
  readonly world: World;
  readonly control: SimControl;
  readonly links: SimLinks;
  /** Also the machine's host name. */
  readonly name: string;
  readonly resources: NodeResources;
  readonly program: Program;
  readonly proxyCount: number;
  /** Changes what the worker and the controller tell each other; tests break the worker with it. One for each worker. */
  readonly filterControl?: (() => ControlFilter) | undefined;
};

/** See {@link SimMachineDeps.filterControl}. */
export type ControlFilter = {
  readonly down: (message: ControllerMessage) => ControllerMessage;
  readonly up: (message: WorkerMessage) => WorkerMessage;
};

/** Fetching and unpacking a bundle. */
const FETCH_MS = { least: 1, most: 30 } as const;
/** From the worker's start until it knows the machine's resources. */
const MEASURE_MS = 20;
const WARM_POOL_SIZE = 1;

/** One machine. */
export class SimMachine {
  readonly name: string;
  readonly resources: NodeResources;
  readonly #deps: SimMachineDeps;
  readonly #files: NodeFiles = createSimFiles();
  readonly #spawner: SimSpawner;
  readonly #random: Random;
  #process: SimProcess | undefined;
  /** The assignment that its worker takes in just now, as it was sent. */
  #assigning: Assignment | undefined;
  #secrets = 0;
  #hasPower = true;

  constructor(deps: SimMachineDeps) {
    this.#deps = deps;
    const { world, name, resources, program } = deps;
    this.name = name;
    this.resources = resources;
    this.#random = world.random(`machine ${name}`);
    this.#spawner = new SimSpawner({
      clock: world.clock,
      random: this.#random,
      createProcess: (run) => world.createProcess(name, run.role),
      program,
    });
    this.#files.writeNode({ node: name as never, incarnation: 0, epoch: 0 });
  }

  /** What is on its disk. */
  get files(): NodeFiles {
    return this.#files;
  }

  /** The worker's process; undefined while it is being started again. */
  get worker(): SimProcess | undefined {
    return this.#process?.isAlive === true ? this.#process : undefined;
  }

  /** Its replicas, blanks and proxies. */
  get children(): readonly SimProcess[] {
    return this.#spawner.processes;
  }

  get hasPower(): boolean {
    return this.#hasPower;
  }

  /** Starts the worker. */
  start(): void {
    const { world, links } = this.#deps;
    const process = world.createProcess(this.name, "worker");
    this.#process = process;
    process.onDeath(() => {
      if (this.#hasPower) this.#startLater();
    });
    const { clock, random } = process;
    const log = createSimLog(
      process.name,
      (event) => {
        if (process.isAlive) world.emit(event);
      },
      world.onLine,
    );
    const controlSocket = `${this.name}/worker.sock`;
    const worker = new Worker({
      clock,
      random,
      log,
      metrics: createMetrics(),
      spawner: this.#spawner.forWorker(process),
      files: {
        ...this.#files,
        writeAssignment: (assignment) => {
          this.#files.writeAssignment(assignment);
          const { epoch, generation } = this.#assigning ?? assignment;
          world.emit({ kind: "assigned", node: this.name, epoch, generation });
        },
      },
      bundles: this.#bundles(process),
      logs: { tail: () => Promise.resolve(""), prune: () => {} },
      secret: () => `secret-${this.name}-${this.#secrets++}`,
      listener: { onProxyReady: () => {}, onProxyFailed: () => {}, onShutdown: () => {} },
      options: {
        children: { controlSocket, lifelineSocket: "", dataDir: this.name, logLevel: "info" },
        nodeHost: this.name,
        proxies: {
          http: { host: this.name, port: 8000 },
          hasListened: false,
          proxyCount: this.#deps.proxyCount,
          httpFront: DEFAULT_HTTP_FRONT,
          trustedProxies: [],
        },
        labels: {},
        warmPoolSize: WARM_POOL_SIZE,
        inspect: undefined,
      },
    });
    links.listen(process, controlSocket, (hello, link) => worker.accept(hello, link));
    void worker.start().then(() => {
      clock.after(MEASURE_MS, () => worker.connect(this.#transport(process), this.resources));
    });
  }

  /** kill -9 of the worker alone. */
  crashWorker(): void {
    this.#process?.die(KILLED);
  }

  /** Everything on it is gone at once, the disk excepted. */
  losePower(): void {
    this.#hasPower = false;
    this.#deps.world.topology.setDown(this.name, true);
    for (const child of this.#spawner.processes) child.die(POWER_LOST);
    this.#process?.die(POWER_LOST);
  }

  /** It boots. */
  regainPower(): void {
    if (this.#hasPower) return;
    this.#hasPower = true;
    this.#deps.world.topology.setDown(this.name, false);
    this.#startLater();
  }

  #startLater(): void {
    const delayMs = between(this.#random, SUPERVISE_BACKOFF.firstMs, SUPERVISE_BACKOFF.firstMs * 8);
    this.#deps.world.clock.after(delayMs, () => {
      if (this.#hasPower && this.worker === undefined) this.start();
    });
  }

  /** The way to the controller, as tests may have it changed. */
  #transport(process: SimProcess): ControllerTransport {
    const transport = this.#deps.control.transport(process);
    const filter = this.#deps.filterControl?.();
    const connect: ControllerTransport["connect"] = (listener) => {
      const stream = transport.connect({
        onMessage: (message) => {
          this.#assigning = message.kind === "assign" ? message.assignment : undefined;
          listener.onMessage(filter?.down(message) ?? message);
          this.#assigning = undefined;
        },
        onClose: (reason) => listener.onClose(reason),
      });
      if (filter === undefined) return stream;
      return { send: (message) => stream.send(filter.up(message)), close: () => stream.close() };
    };
    return { ...transport, connect };
  }

  /** There is no code in this world, only the time that getting it takes. */
  #bundles(process: SimProcess): Bundles {
    return {
      prepare: (launch) =>
        new Promise((resolve) => {
          const delayMs = between(this.#random, FETCH_MS.least, FETCH_MS.most);
          process.clock.after(delayMs, () => resolve({ bundleDir: `bundles/${launch.bundle}`, projectDir: "" }));
        }),
      keep: () => {},
    };
  }
}
