/**
 * The daemon of a node. Its children are the proxies and one process per replica; it makes them what the controller's
 * assignment says, hands the routing table on to them, and reports. One turn of its loop is observe → decide → act:
 * children, files and the controller are heard at any time, and each change asks for one turn, which compares what is
 * wanted with what runs (`replica-keeper.ts`) and reports what is different since the last.
 *
 *   start → adopting (children of the worker before it) → connected ⇄ on its own → draining → gone
 *
 * It needs no controller: with the assignment and the table on disk it restarts replicas and keeps the proxies going.
 * It must never end a child because it cannot reach anybody.
 */
import type {
  ControllerMessage,
  NodeRegistration,
  NodeReport,
  NodeResources,
  WorkerMessage,
} from "../core/assignment.ts";
import type { Clock, Timer } from "../core/clock.ts";
import type { NodeId } from "../core/ids.ts";
import { DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics, Sample } from "../core/metric.ts";
import type { Address } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import { randomSuffix } from "../core/random.ts";
import type { TableUpdate } from "../core/table.ts";
import type { ControlHello, ControlLink, ControlLinkListener } from "../proto/control/link.ts";
import type { ChildMessage } from "../proto/control/message.ts";
import type { ControllerTransport, TableVersion } from "../proto/transport.ts";
import { Adoption } from "./adopt.ts";
import type { Bundles } from "./bundles.ts";
import type { Child, ChildrenDeps, ChildrenListener } from "./children.ts";
import { Children } from "./children.ts";
import type { ControllerLinkListener } from "./controller-link.ts";
import { ControllerLink } from "./controller-link.ts";
import type { ProcessExit } from "./decide/exit-reason.ts";
import { Departure } from "./departure.ts";
import { LoadRelay } from "./load-relay.ts";
import type { NodeLogs } from "./log-files.ts";
import type { NodeFiles, NodeIdentity } from "./node-files.ts";
import { NodeMetrics } from "./node-metrics.ts";
import type { ProxyOptions } from "./proxy-keeper.ts";
import { ProxyKeeper } from "./proxy-keeper.ts";
import { Questions } from "./questions.ts";
import { SentReports } from "./sent-reports.ts";
import type { ReplicaKeeperListener } from "./replica-keeper.ts";
import { ReplicaKeeper } from "./replica-keeper.ts";
import type { Spawner } from "./spawner.ts";
import { TableRelay } from "./table-relay.ts";
import { WarmPool } from "./warm-pool.ts";

/** What the worker tells whoever keeps it. */
export interface WorkerListener {
  /** A proxy answers there; told once. */
  onProxyReady(address: Address): void;
  /** No proxy can listen, and trying again will not help. */
  onProxyFailed(reason: string): void;
  /** The controller asks for the end of the whole cluster. */
  onShutdown(): void;
}

/** What a {@link Worker} is made from. */
export type WorkerDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics & { samples(): readonly Sample[] };
  readonly spawner: Spawner;
  readonly files: NodeFiles;
  readonly bundles: Bundles;
  readonly logs: NodeLogs;
  /** 32 random bytes in hexadecimal. */
  readonly secret: () => string;
  readonly listener: WorkerListener;
  readonly options: WorkerOptions;
};

/** Settings of a worker; see `core/process-config.ts`. */
export type WorkerOptions = {
  /** What the run files of all its children have in common. */
  readonly children: ChildrenDeps["common"];
  readonly nodeHost: string;
  readonly proxies: ProxyOptions;
  readonly labels: Readonly<Record<string, string>>;
  readonly warmPoolSize: number;
  readonly inspect: Address | undefined;
};

/** A node's daemon. */
export class Worker {
  /** How the node ends where its cluster goes on; before `drain`. */
  readonly departure: Departure;
  readonly #deps: WorkerDeps;
  readonly #children: Children;
  readonly #adoption: Adoption;
  readonly #pool: WarmPool;
  readonly #proxies: ProxyKeeper;
  readonly #replicas: ReplicaKeeper;
  readonly #table: TableRelay;
  readonly #nodeMetrics: NodeMetrics;
  readonly #questions: Questions;
  readonly #controller: ControllerLink;
  readonly #loads: LoadRelay;
  #identity: NodeIdentity;
  #generation = -1;
  #resources: NodeResources = { cpus: 0, memoryBytes: 0, gpus: [], custom: {} };
  #isSettled = false;
  #isDraining = false;
  #turn: Timer | undefined;
  readonly #sent = new SentReports();
  #onAllGone: (() => void) | undefined;

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
    const { clock, random, log, metrics, spawner, files, secret, bundles, options, listener } = deps;
    const { nodeHost, inspect, warmPoolSize: size } = options;
    this.#identity = nextIdentity(files, random);
    files.writeNode(this.#identity);
    const common = options.children;
    const childrenDeps = { clock, random, log, spawner, files, secret, common };
    const children = new Children({ ...childrenDeps, listener: this.#childrenListener() });
    this.#children = children;
    this.#adoption = new Adoption({ clock, log, files, children });
    this.#pool = new WarmPool({ clock, random, log, children, size, nodeHost, inspect });
    const { node } = this.#identity;
    const zone = options.labels["zone"] ?? "";
    this.#proxies = new ProxyKeeper({
      ...{ clock, random, log, children, options: { ...options.proxies, place: { node, zone } } },
      onChange: () => this.#controller.reportChanged(),
      onReady: (address) => listener.onProxyReady(address),
      onFailed: (reason) => listener.onProxyFailed(reason),
    });
    this.#replicas = new ReplicaKeeper({
      ...{ clock, random, log, metrics, children, bundles, node, zone, secret },
      pool: this.#pool,
      isDebugged: inspect !== undefined,
      listener: this.#replicasListener(),
    });
    this.#table = new TableRelay({ clock, log, metrics, files, onApplied: () => this.#controller.reportChanged() });
    this.#nodeMetrics = new NodeMetrics({ clock, metrics, children, reports: () => this.#replicas.reports() });
    const send = (message: WorkerMessage): void => void this.#controller.send(message);
    const { logs } = deps;
    this.#loads = new LoadRelay({ clock, send });
    this.#questions = new Questions({ clock, log, children, nodeMetrics: this.#nodeMetrics, logs, send });
    this.#controller = new ControllerLink({ clock, random, log, listener: this.#controllerListener() });
    this.departure = new Departure({
      ...{ clock, log },
      replicaCount: () => this.#replicas.reports().length,
      tell: () => this.#controller.send({ kind: "heartbeat", report: this.#report() }),
    });
  }

  /** The node's id. */
  get node(): NodeId {
    return this.#identity.node;
  }

  /**
   * Starts proxies and blanks, or finds those of the worker before this one, and goes on with the last assignment.
   * Resolves when it is known what runs, but for processes that do not answer; only then may it be connected. Call once.
   */
  async start(): Promise<void> {
    const { files } = this.#deps;
    this.#table.load();
    const assignment = files.readAssignment();
    if (assignment !== undefined) this.#replicas.follow(assignment.replicas);
    this.#proxies.setOut(assignment?.isDrained === true);
    const adopted = this.#adoption.start();
    for (const child of this.#children.all()) {
      if (child.role === "proxy") this.#proxies.adopt(child);
      else if (child.run.assigned === undefined) this.#pool.adopt(child);
      else this.#replicas.adopt(child, child.run.assigned);
    }
    this.#proxies.start();
    this.#pool.fill();
    this.#schedule();
    await adopted;
    this.#isSettled = true;
  }

  /** A child dialled the control socket. */
  accept(hello: ControlHello, link: ControlLink): ControlLinkListener | undefined {
    return this.#children.accept(hello, link);
  }

  /** Connects to the controller, and stays connected. */
  connect(transport: ControllerTransport, resources: NodeResources): void {
    this.#resources = resources;
    this.#controller.start(transport);
  }

  /** Stops in order: the proxies first, so that what is ongoing in them finds its replicas; then they, each in its time. */
  async drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    const { log, files } = this.#deps;
    log.info({ children: this.#children.all().length }, "draining");
    this.#pool.close();
    await this.#proxies.drain(this.#replicas.longestDrainMs || DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_MS);
    await this.#replicas.drain();
    if (this.#children.all().length > 0) await new Promise<void>((resolve) => (this.#onAllGone = resolve));
    this.close();
    files.forget();
  }

  /** Lets go of everything without ending a child; another worker may adopt them. */
  close(): void {
    this.#isDraining = true;
    this.#turn?.cancel();
    this.#loads.close();
    this.#adoption.close();
    this.#replicas.close();
    this.#questions.close();
    this.#table.flush();
    this.#controller.close();
  }

  #childrenListener(): ChildrenListener {
    return {
      onConnected: (child, isFirst) => {
        this.#pool.connected(child);
        this.#proxies.connected(child);
        this.#loads.gone(child);
        const isRouter = child.role === "proxy" || child.run.assigned !== undefined;
        if (isRouter) this.#table.add(child, isFirst);
        else this.#adoption.heard(child);
        this.#schedule();
      },
      onMessage: (child, message) => this.#fromChild(child, message),
      onDisconnected: (child) => {
        this.#deps.log.debug({ child: child.id }, "a child is not connected any more");
        this.#questions.gone(child);
        this.#loads.gone(child);
      },
      onGone: (child, exit) => this.#gone(child, exit),
    };
  }

  #fromChild(child: Child, message: ChildMessage): void {
    switch (message.kind) {
      case "replica":
        this.#replicas.reported(child, message.report);
        this.#adoption.heard(child);
        return;
      case "proxy":
        this.#proxies.reported(child, message.address, message.reason);
        this.#adoption.heard(child);
        return;
      case "tableApplied":
        this.#table.applied(child, message);
        return;
      case "loads":
        this.#loads.heard(child, message.loads);
        return;
      case "answered":
        this.#questions.answered(child, message.id, message.answer);
        return;
      case "samples":
        this.#nodeMetrics.answered(child, message.id, message.samples);
        return;
      case "getNodeMetrics":
        void this.#nodeMetrics
          .text()
          .then((text) => this.#children.send(child, { kind: "nodeMetrics", id: message.id, text }));
        return;
      case "beat":
        this.#replicas.beat(child, message);
        return;
      case "hello":
        // Answered by the link.
        return;
    }
  }

  #gone(child: Child, exit: ProcessExit): void {
    this.#table.remove(child);
    this.#loads.gone(child);
    this.#nodeMetrics.gone(child);
    this.#questions.gone(child);
    if (!this.#proxies.gone(child, exit) && !this.#replicas.gone(child, exit)) this.#pool.gone(child);
    this.#adoption.heard(child);
    const live = this.#children.all();
    this.#deps.logs.prune(new Set(live.map(({ id }) => id)));
    if (live.length === 0) this.#onAllGone?.();
  }

  #replicasListener(): ReplicaKeeperListener {
    return {
      onChange: () => this.#schedule(),
      onOrdered: (child) => {
        if (child.link !== undefined) this.#table.add(child, true);
      },
      onForgotten: (replica) => {
        this.#sent.forget(replica);
        this.#controller.send({ kind: "gone", replicas: [replica] });
        this.departure.replicaGone();
      },
    };
  }

  #controllerListener(): ControllerLinkListener {
    return {
      registration: () => this.#registration(),
      report: () => this.#report(),
      onMessage: (message) => this.#fromController(message),
      knownTable: () => this.#table.known,
      onTable: (update) => this.#applyTable(update),
    };
  }

  #fromController(message: ControllerMessage): void {
    switch (message.kind) {
      case "assign": {
        const { assignment } = message;
        const { epoch, generation } = assignment;
        if (this.#isDraining || !this.#obey(epoch, "an assignment")) return;
        // Within one epoch they come in order; one that was overtaken by a reconnection is old.
        if (epoch === this.#identity.epoch && generation < this.#generation) return;
        this.#generation = generation;
        this.#deps.files.writeAssignment(assignment);
        this.#replicas.follow(assignment.replicas);
        this.#proxies.setOut(assignment.isDrained === true);
        return;
      }
      case "collect":
        void this.#questions.collect(message);
        return;
      case "ask":
        this.#questions.ask(message);
        return;
      case "shutdown":
        this.departure.giveUp();
        this.#deps.listener.onShutdown();
        return;
    }
  }

  /** Whether a controller of that epoch is to be followed. A higher one is remembered, so that older ones are not. */
  #obey(epoch: number, what: string): boolean {
    const { log, files } = this.#deps;
    if (epoch < this.#identity.epoch) {
      log.warn({ epoch, highest: this.#identity.epoch }, `${what} of a controller that was replaced is refused`);
      return false;
    }
    if (epoch > this.#identity.epoch) {
      this.#identity = { ...this.#identity, epoch };
      this.#generation = -1;
      files.writeNode(this.#identity);
    }
    return true;
  }

  #applyTable(update: TableUpdate): boolean {
    // What is refused is not missing: asking that controller again would not help.
    return !this.#obey(update.epoch, "a routing table") || this.#table.apply(update);
  }

  #registration(): NodeRegistration {
    const { node, incarnation, epoch } = this.#identity;
    const replicas = this.#replicas.reports();
    this.#sent.restart(replicas);
    return { node, incarnation, epoch, replicas, resources: this.#resources, labels: this.#deps.options.labels };
  }

  #report(): NodeReport {
    const { address, reason } = this.#proxies;
    // Until it is known which routers there are, none can be said to use anything.
    const applied: TableVersion = this.#isSettled ? this.#table.appliedByAll() : { epoch: 0, version: 0 };
    const httpUrl = address === undefined ? "" : toUrl(address, this.#deps.options.nodeHost);
    const { isLeaving } = this.departure;
    const table = { tableEpoch: applied.epoch, tableVersion: applied.version };
    return { httpUrl, reason, ...table, ...(isLeaving ? { isLeaving } : {}) };
  }

  #schedule(): void {
    this.#turn ??= this.#deps.clock.after(0, () => {
      this.#turn = undefined;
      this.#tick();
    });
  }

  /** One turn of the loop. */
  #tick(): void {
    this.#replicas.tick();
    if (!this.#replicas.isStarting) this.#pool.idle();
    const changed = this.#sent.take(this.#replicas.reports());
    if (changed.length > 0) this.#controller.send({ kind: "replicas", reports: changed });
  }
}

function nextIdentity(files: NodeFiles, random: Random): NodeIdentity {
  const last = files.readNode();
  if (last === undefined) return { node: `node-${randomSuffix(random, 8)}` as NodeId, incarnation: 1, epoch: 0 };
  return { ...last, incarnation: last.incarnation + 1 };
}

/** An address that other machines can dial: one that listens on every interface is reached by the node's host. */
function toUrl({ host, port }: Address, nodeHost: string): string {
  const reachable = host === "0.0.0.0" || host === "::" ? nodeHost : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}
