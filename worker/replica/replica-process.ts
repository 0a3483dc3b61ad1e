import type { Clock, Defer, Timer } from "../../core/clock.ts";
import { deploymentId, type ReplicaId } from "../../core/ids.ts";
import { HEARTBEAT_MS, TEARDOWN_TIMEOUT_MS } from "../../core/limits.ts";
import type { LogFields, Logger } from "../../core/log.ts";
import type { MetricRegistry } from "../../core/metric-registry.ts";
import type { Address, Network } from "../../core/network.ts";
import type { Random } from "../../core/random.ts";
import type { DeploymentOptionsSpec } from "../../core/spec.ts";
import type { TableUpdate } from "../../core/table.ts";
import type { ChildMessage, ParentMessage, ReplicaOrder, ReplicaProcessReport } from "../../proto/control/message.ts";
import type { GraphDeployment } from "../../sdk/load-app.ts";
import type { ReplicaIdentity } from "./actor.ts";
import { ReplicaHandles } from "./handles.ts";
import { startActor, StartFailure, type StartedActor } from "./lifecycle.ts";
import { Probe } from "./probe.ts";
import { serveReplica, type ReplicaServer } from "./replica-server.ts";
import { Replica } from "./replica.ts";

/**
 * A replica's process, from blank to its end, as its worker sees it:
 *
 *   blank ──order──▶ starting ──▶ ready ──drain──▶ draining ──▶ stopped (exit 0)
 *                       └──────────┴── failure ──▶ failed (exit 1)
 *
 * Says every change to its worker, and owns what is made on the way: the actor, its frame server, its probe, its
 * handles. It never restarts anything: its worker does, with another process.
 */

/** What a replica's process is made of. */
export type ReplicaProcessDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricRegistry;
  readonly network: Network;
  readonly defer: Defer;
  /** Where it listens for requests: a host, and port 0. */
  readonly listen: Address;
  /** A log with these fields on every line. */
  readonly bindLog: (fields: LogFields) => Logger;
  /** Makes the process the replica's before any user code runs: environment, console, source maps. May throw. */
  readonly prepare: (order: ReplicaOrder, identity: ReplicaIdentity) => PreparedCode;
  readonly send: (message: ChildMessage) => void;
  /** Starts the link to the worker anew; the first thing it then sends is the whole table. */
  readonly redial: () => void;
  readonly onReady: () => void;
  /** Ends the process, after what was sent has left it. */
  readonly exit: (code: number) => void;
};

/** How a prepared process gets at the deployment's code. */
export type PreparedCode = {
  readonly packageDirs: readonly string[];
  readonly load: () => Promise<GraphDeployment>;
};

type Running = {
  readonly replica: Replica;
  readonly server: ReplicaServer;
  readonly started: StartedActor;
  readonly probe: Probe | undefined;
};

/** One replica's process. */
export class ReplicaProcess {
  readonly #deps: ReplicaProcessDeps;
  readonly #handles: ReplicaHandles;
  #order: ReplicaOrder | undefined;
  #options: DeploymentOptionsSpec | undefined;
  #log: Logger;
  #running: Running | undefined;
  #report: ReplicaProcessReport = NOTHING_YET;
  #reportTimer: Timer | undefined;
  #isEnding = false;

  constructor(deps: ReplicaProcessDeps) {
    this.#deps = deps;
    this.#log = deps.log;
    this.#handles = new ReplicaHandles(deps);
  }

  onMessage(message: ParentMessage): void {
    switch (message.kind) {
      case "order":
        this.#begin(message.order);
        return;
      case "table":
        this.#applyTable(message.update);
        return;
      case "reconfigure":
        void this.#reconfigure(message.options);
        return;
      case "drain":
        void this.drain(message.timeoutMs);
        return;
      case "getSamples":
        this.#deps.send({ kind: "samples", id: message.id, samples: this.#deps.metrics.samples() });
        return;
      default:
        // What else a worker says is for proxies.
        return;
    }
  }

  /** Folder of the user's code; empty while blank. */
  get bundleDir(): string {
    return this.#order?.bundleDir ?? "";
  }

  /** Ends the process because of `reason`; its worker is told, and starts another. */
  fail(reason: string, isPermanent: boolean): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#log.error({ reason }, `the replica failed: ${reason}`);
    this.#say({ state: "failed", reason, isPermanent });
    this.#running?.server.goAway();
    this.#deps.exit(1);
  }

  /** Takes nothing new, finishes what is ongoing for at most so long, tears down, ends. Never rejects; idempotent. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const running = this.#running;
    if (running !== undefined) {
      const { replica, server, probe } = running;
      this.#say({ state: "draining", reason: "told to drain" });
      probe?.close();
      server.goAway();
      await replica.drain(timeoutMs);
      await this.#tearDown(running.started);
      await server.close();
    }
    this.#handles.close();
    this.#say({ state: "stopped", reason: "drained" });
    this.#deps.exit(0);
  }

  #begin(order: ReplicaOrder): void {
    if (this.#order !== undefined || this.#isEnding) return;
    this.#order = order;
    this.#options = order.launch.options;
    this.#handles.place = { node: order.node, zone: order.zone ?? "" };
    this.#start(order).catch((error: unknown) => {
      const { message, isPermanent } =
        error instanceof StartFailure ? error : { message: String(error), isPermanent: false };
      this.fail(message, isPermanent);
    });
  }

  async #start(order: ReplicaOrder): Promise<void> {
    const { clock, random, metrics, defer } = this.#deps;
    const identity = identityOf(order);
    const { application, deployment, replica, node, version } = identity;
    this.#log = this.#deps.bindLog({ application, deployment, replica, node, version });
    const log = this.#log;
    this.#say({ state: "starting", reason: "preparing" });
    const { packageDirs, load } = this.#prepare(order, identity);
    const started = await startActor({
      clock,
      log,
      metrics,
      defer,
      identity,
      launch: order.launch,
      applicationDir: order.bundleDir,
      packageDirs,
      toHandle: (name) => this.#handles.make(order.launch.application, name),
      load,
      onStep: (step) => this.#say({ state: "starting", reason: step }),
    });
    this.#handles.settle();
    const { actor, maxOngoingRequests, heldModels } = started;
    const handler = new Replica({ clock, random, log, metrics, actor, identity, maxOngoingRequests });
    const server = await this.#serve(handler, order, heldModels);
    if (this.#isEnding) {
      await server.close();
      return;
    }
    this.#running = { replica: handler, server, started, probe: this.#startProbe(started) };
    log.info({ maxOngoingRequests, provider: started.provider }, "the replica is ready");
    const { provider } = started;
    this.#say({ state: "ready", reason: "", address: server.address, maxOngoingRequests, provider });
    this.#deps.onReady();
    this.#watchOngoing(handler);
  }

  #prepare(order: ReplicaOrder, identity: ReplicaIdentity): PreparedCode {
    try {
      return this.#deps.prepare(order, identity);
    } catch (error) {
      throw new StartFailure(error instanceof Error ? error.message : String(error), true, error);
    }
  }

  #serve(handler: Replica, order: ReplicaOrder, heldModels: StartedActor["heldModels"]): Promise<ReplicaServer> {
    const { clock, network, defer, listen: address } = this.#deps;
    const { callSecret } = order;
    const replicaId = order.replicaId as ReplicaId;
    const log = this.#log;
    return serveReplica({ clock, log, network, defer, address, replicaId, callSecret, handler, heldModels });
  }

  #startProbe({ healthCheck }: StartedActor): Probe | undefined {
    const options = this.#options;
    if (healthCheck === undefined || options === undefined) return undefined;
    const { clock } = this.#deps;
    const onUnhealthy = (reason: string): void => this.fail(reason, false);
    const probe = new Probe({ clock, log: this.#log, healthCheck, onUnhealthy }, probeTimes(options));
    probe.start();
    return probe;
  }

  /** Tells the worker about the load, once a second where it changed. */
  #watchOngoing(replica: Replica): void {
    this.#reportTimer = this.#deps.clock.after(HEARTBEAT_MS, () => {
      if (this.#isEnding) return;
      // Requests that come and go between two looks change nothing but what their batches taught.
      const batches = JSON.stringify(this.#running?.started.batchReports() ?? []);
      if (this.#report.ongoing !== replica.ongoing || batches !== JSON.stringify(this.#report.batches)) this.#say({});
      this.#watchOngoing(replica);
    });
  }

  #applyTable(update: TableUpdate): void {
    if (this.#handles.apply(update) === "gap") {
      this.#log.warn(
        { epoch: update.epoch, table: update.version },
        "a routing table does not follow from the one before",
      );
      this.#deps.redial();
      return;
    }
    this.#deps.send({ kind: "tableApplied", epoch: update.epoch, version: update.version });
  }

  /** Never rejects: a `reconfigure` that throws leaves the replica as it was, and the reason in its report. */
  async #reconfigure(options: DeploymentOptionsSpec): Promise<void> {
    const before = this.#options;
    this.#options = options;
    const running = this.#running;
    if (before === undefined || running === undefined || this.#isEnding) return;
    running.probe?.change(probeTimes(options));
    if (JSON.stringify(before.userConfig) === JSON.stringify(options.userConfig)) return;
    try {
      await running.started.reconfigure(options.userConfig);
      this.#say({ reason: "" });
    } catch (err) {
      this.#log.error({ err }, "reconfigure failed");
      this.#say({ reason: `reconfigure failed: ${err instanceof Error ? err.message : String(err)}` });
    }
  }

  /** Never rejects. Teardown gets its time and no more: the process ends either way. */
  async #tearDown(started: StartedActor): Promise<void> {
    const { clock } = this.#deps;
    await new Promise<void>((resolve) => {
      const timer = clock.after(TEARDOWN_TIMEOUT_MS, () => {
        this.#log.warn({}, `teardown did not finish within ${TEARDOWN_TIMEOUT_MS} ms`);
        resolve();
      });
      const end = (): void => {
        timer.cancel();
        resolve();
      };
      started.close().then(end, (err: unknown) => {
        this.#log.error({ err }, "teardown failed");
        end();
      });
    });
  }

  #say(change: Partial<ReplicaProcessReport>): void {
    const ongoing = this.#running?.replica.ongoing ?? 0;
    const batches = this.#running?.started.batchReports() ?? [];
    this.#report = { ...this.#report, ongoing, batches, ...change };
    if (this.#isEnding) this.#reportTimer?.cancel();
    this.#deps.send({ kind: "replica", report: this.#report });
  }
}

const NOTHING_YET: ReplicaProcessReport = {
  state: "starting",
  reason: "",
  isPermanent: false,
  address: undefined,
  maxOngoingRequests: 0,
  ongoing: 0,
  provider: "",
  batches: [],
};

function identityOf({ replicaId, version, node, launch }: ReplicaOrder): ReplicaIdentity {
  const { application, deployment } = launch;
  const id = deploymentId(application, deployment);
  return { application, deployment, deploymentId: id, replica: replicaId, version, node };
}

function probeTimes(options: DeploymentOptionsSpec): { readonly periodMs: number; readonly timeoutMs: number } {
  return { periodMs: options.healthCheckPeriodMs, timeoutMs: options.healthCheckTimeoutMs };
}
