import { sleep, type Clock, type Defer } from "../../core/clock.ts";
import { ReplicaLostError } from "../../core/error.ts";
import { deploymentId, type DeploymentId, type ReplicaId, type Version } from "../../core/ids.ts";
import { TEARDOWN_TIMEOUT_MS } from "../../core/limits.ts";
import type { LogFields, Logger } from "../../core/log.ts";
import type { MetricRegistry } from "../../core/metric-registry.ts";
import type { Address, Network } from "../../core/network.ts";
import type { Answer, Question } from "../../core/question.ts";
import type { Random } from "../../core/random.ts";
import { isSameData } from "../../core/same-data.ts";
import type { DeploymentOptionsSpec } from "../../core/spec.ts";
import type { TableUpdate } from "../../core/table.ts";
import type { ChildMessage, ParentMessage, ReplicaOrder, ReplicaProcessReport } from "../../proto/control/message.ts";
import type { GraphDeployment } from "../../sdk/load-app.ts";
import type { ReplicaIdentity } from "./actor.ts";
import { ControlAnswers } from "./answer.ts";
import { Beat } from "./beat.ts";
import { ReplicaHandles } from "./handles.ts";
import { startActor, StartFailure, type StartedActor } from "./lifecycle.ts";
import { Probe } from "./probe.ts";
import { serveReplica, type ReplicaServer } from "./replica-server.ts";
import { Replica } from "./replica.ts";
import { SelfWatch, type SelfWatchDeps } from "./self-watch.ts";
import type { Vitals } from "./vitals.ts";

/**
 * A replica's process, from blank to its end, as its worker sees it:
 *
 *   blank ──order──▶ starting ──▶ ready ──drain──▶ draining ──▶ stopped (exit 0)
 *                       │          ├─ stuck ─▶ retiring ──drain──▶ draining …, or failed when nobody replaced it in time
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
  readonly vitals: Vitals;
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
  readonly answers: ControlAnswers;
  readonly watch: SelfWatch;
  readonly beat: Beat | undefined;
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
  #isEnding = false;

  constructor(deps: ReplicaProcessDeps) {
    this.#deps = deps;
    this.#log = deps.log;
    this.#handles = new ReplicaHandles({ ...deps, onLoads: (loads) => void deps.send({ kind: "loads", loads }) });
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
      case "ask":
        void this.#answer(message.id, message.question);
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
      const { replica, server, probe, watch } = running;
      this.#say({ state: "draining", reason: "told to drain" });
      probe?.close();
      watch.close();
      running.answers.close();
      server.goAway();
      await replica.drain(timeoutMs);
      await this.#tearDown(running.started);
      running.beat?.close();
      await server.close();
    }
    this.#handles.close();
    this.#say({ state: "stopped", reason: "drained" });
    this.#deps.exit(0);
  }

  /**
   * A part of it will never work again. It takes nothing new, and fails what cannot end. Where nothing else is ongoing it
   * ends at once and is started again; otherwise it asks to be replaced, and goes on with the rest until it is told to
   * drain. When nobody replaces it in the time that a start may take, it ends all the same. Never rejects.
   */
  async #giveUp(reason: string, refuse: (error: Error) => void): Promise<void> {
    const { clock } = this.#deps;
    const [running, options] = [this.#running, this.#options];
    if (this.#isEnding || running === undefined || options === undefined) return;
    this.#log.error({ reason }, `the replica gives up: ${reason}`);
    running.probe?.close();
    running.server.goAway();
    const limitMs = Math.max(options.startTimeoutMs, options.gracefulShutdownTimeoutMs);
    const drained = running.replica.drain(limitMs);
    refuse(new ReplicaLostError(`the replica cannot answer the request any more: ${reason}`));
    // Requests that fail by that end in this turn of the event loop.
    await sleep(clock, 0);
    if (running.replica.ongoing > 0 && !this.#isEnding) {
      this.#say({ isRetiring: true, reason });
      await Promise.all([drained, sleep(clock, limitMs)]);
    }
    this.fail(reason, false);
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
    const { verify } = started.functions;
    this.#handles.settle(verify !== undefined);
    const { actor, maxOngoingRequests, heldModels } = started;
    const onDeadline = (): void => this.#running?.beat?.tell();
    const handler = new Replica({ clock, random, log, metrics, actor, identity, maxOngoingRequests, onDeadline });
    const server = await this.#serve(handler, order, heldModels);
    if (this.#isEnding) {
      await server.close();
      return;
    }
    const watch = this.#watch(handler, started);
    const beat = this.#makeBeat(handler, identity);
    const answers = this.#makeAnswers(started, identity, order.bundleDir);
    this.#running = { replica: handler, server, started, probe: this.#startProbe(started), watch, beat, answers };
    log.info({ maxOngoingRequests, provider: started.provider }, "the replica is ready");
    const { provider } = started;
    this.#say({ state: "ready", reason: "", address: server.address, maxOngoingRequests, provider });
    this.#deps.onReady();
    watch.start();
    beat?.start();
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

  #startProbe({ healthCheck, selfTest }: StartedActor): Probe | undefined {
    const options = this.#options;
    if ((healthCheck === undefined && selfTest === undefined) || options === undefined) return undefined;
    const { clock } = this.#deps;
    const onUnhealthy = (reason: string): void => this.fail(reason, false);
    const probe = new Probe({ clock, log: this.#log, healthCheck, selfTest, onUnhealthy }, probeTimes(options));
    probe.start();
    return probe;
  }

  #makeBeat(replica: Replica, { deploymentId: deployment }: ReplicaIdentity): Beat | undefined {
    const { clock, metrics, vitals, send } = this.#deps;
    if (!vitals.hasBeat) return undefined;
    const lag = metrics.histogram("thornback_replica_event_loop_lag_seconds", { deployment });
    return new Beat({ clock, replica, lag, send });
  }

  #watch(replica: Replica, { batchReports, batchWork, maxOngoingRequests }: StartedActor): SelfWatch {
    const { clock, vitals } = this.#deps;
    const onLook = (utilisation: number): void => {
      if (this.#isEnding) return;
      const before = this.#report;
      const isSame = before.ongoing === replica.ongoing && before.utilisation === utilisation;
      // Requests that come and go between two looks change nothing but these, and what their batches taught.
      if (!isSame || !isSameData(batchReports(), before.batches)) this.#say({ utilisation });
    };
    const onStuck: SelfWatchDeps["onStuck"] = (reason, giveUp) => void this.#giveUp(reason, giveUp);
    return new SelfWatch({ clock, vitals, replica, maxOngoingRequests, batchWork, onLook, onStuck });
  }

  #makeAnswers({ functions }: StartedActor, identity: ReplicaIdentity, applicationDir: string): ControlAnswers {
    const id = identity.deploymentId as DeploymentId;
    const toHandle = (version: Version, signal: AbortSignal): unknown => this.#handles.makePinned(id, version, signal);
    return new ControlAnswers({ clock: this.#deps.clock, log: this.#log, functions, applicationDir, toHandle });
  }

  /** Never rejects. */
  async #answer(id: string, question: Question): Promise<void> {
    const { answers } = this.#isEnding ? {} : (this.#running ?? {});
    const answer = answers === undefined ? NOT_READY : await answers.answer(question);
    this.#deps.send({ kind: "answered", id, answer });
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
    this.#deps.send({ kind: "replica", report: this.#report });
  }
}

const NOT_READY: Answer = { kind: "failed", reason: "the replica is not ready", isGone: true };

const NOTHING_YET: ReplicaProcessReport = {
  state: "starting",
  reason: "",
  isPermanent: false,
  address: undefined,
  maxOngoingRequests: 0,
  ongoing: 0,
  utilisation: 0,
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
