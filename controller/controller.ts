import type { Clock } from "../core/clock.ts";
import type { ApplicationName, NodeId } from "../core/ids.ts";
import { NotFoundError, RouteConflictError } from "../core/error.ts";
import type { Logger } from "../core/log.ts";
import { LOAD_REPORT_MS, TICK_MS } from "../core/limits.ts";
import type { DeploymentLoad } from "../core/load.ts";
import { LoadBook } from "../core/load-book.ts";
import type { Metrics } from "../core/metric.ts";
import type { Random } from "../core/random.ts";
import type { ControlService } from "../proto/transport.ts";
import { Asks } from "./act/asks.ts";
import { AssignmentSender } from "./act/assignments.ts";
import { DecisionLog } from "./act/decision-log.ts";
import { DemandGauge } from "./act/demand-gauge.ts";
import { Executor } from "./act/executor.ts";
import { MetricScraper } from "./act/metric-scraper.ts";
import { liveDrains, Operations, storedDrain } from "./act/operations.ts";
import { TablePublisher } from "./act/table-publisher.ts";
import { TickLoop } from "./act/tick-loop.ts";
import { UserFunctions } from "./act/user-functions.ts";
import { WorkerStreams } from "./act/worker-streams.ts";
import { soundPlan } from "./decide/check-plan.ts";
import type { ClusterState } from "./decide/cluster.ts";
import { deploy, type DeployInput, type DeployPlan, routeOwner } from "./decide/deploy.ts";
import { reconcile } from "./decide/reconcile.ts";
import { WorkerService } from "./service/worker-service.ts";
import type { BlobStore } from "./state/blob-store.ts";
import { type ClusterEvent, initialState, LiveState } from "./state/cluster-state.ts";
import { DesiredState } from "./state/desired-state.ts";
import { isRoutine } from "./state/routine-event.ts";
import type { Store } from "./state/store.ts";

/**
 * The loop: gather a snapshot → reconcile → perform → publish. It runs on every event, a burst of them at once, soon
 * after what is only routine, and at least every TICK_MS. Decisions come from state alone, so a tick that failed half-way is simply done again. What is
 * wanted reaches the workers as the routing table and as assignments, both of which follow from the state.
 *
 * It owns the state and is the only one to change it. It never answers a request, and nothing that serves waits for it.
 */

/** News that change nothing by themselves, such as that a node still lives, are gathered for so long. */
const ROUTINE_TICK_MS = 250;

/** What a controller is made of. */
export type ControllerDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly blobs: BlobStore;
  /** Reads metrics that deployments scale by; undefined: they are only pushed. */
  readonly readText?: ((url: string) => Promise<string>) | undefined;
};

/** The control plane's process, without its sockets. */
export class Controller {
  readonly streams: WorkerStreams;
  readonly decisions: DecisionLog;
  /** What a person changes by hand. */
  readonly operations: Operations;
  readonly #deps: ControllerDeps;
  readonly #desired: DesiredState;
  readonly #unreadable: readonly string[];
  readonly #state: LiveState;
  readonly #publisher: TablePublisher;
  readonly #assignments: AssignmentSender;
  readonly #asks: Asks;
  readonly #functions: UserFunctions;
  readonly #scraper: MetricScraper | undefined;
  /** For parts that look at the state and tell of facts. */
  readonly #told = {
    current: (): ClusterState => this.snapshot(),
    onEvent: (event: ClusterEvent): void => this.#onEvent(event),
  };
  readonly #demand: DemandGauge;
  readonly #executor: Executor;
  readonly #service: WorkerService;
  readonly #loads = new LoadBook<NodeId>();
  #lastSampleAt: number;
  /** Somebody waits for a first replica. */
  #isUrgent = false;
  readonly #loop: TickLoop;
  #lastTickAt: number;
  /** The last deploy or delete; the next waits for it. */
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(
    deps: ControllerDeps,
    stored: { readonly desired: DesiredState; readonly unreadable: readonly string[] },
    initial: ClusterState,
  ) {
    const { clock, log, metrics, blobs } = deps;
    const { desired, unreadable } = stored;
    const { epoch } = initial;
    this.#deps = deps;
    this.#desired = desired;
    this.#unreadable = unreadable;
    this.#state = new LiveState(initial, () => clock.now());
    this.#lastTickAt = clock.now();
    this.#lastSampleAt = clock.now();
    this.#loop = new TickLoop({ clock, log, tick: () => this.#tick() });
    this.streams = new WorkerStreams({ clock });
    this.decisions = new DecisionLog(clock);
    this.#publisher = new TablePublisher({ metrics, epoch });
    this.#assignments = new AssignmentSender(epoch);
    this.#asks = new Asks({ clock, streams: this.streams, epoch });
    const { readText } = deps;
    this.#scraper = readText && new MetricScraper({ clock, log, readText, ...this.#told });
    this.#functions = new UserFunctions({
      ...{ clock, log, asks: this.#asks },
      ...this.#told,
    });
    this.#demand = new DemandGauge({ metrics });
    this.operations = new Operations({
      ...{ clock, log, desired },
      current: () => this.snapshot(),
      change: (change) => this.#change(change),
      onEvent: (event) => this.#onEvent(event),
    });
    this.#executor = new Executor({
      log,
      desired,
      streams: this.streams,
      decisions: this.decisions,
      onAskVerify: (action) => this.#functions.verify(action),
      onNodeLost: (node) => this.#loads.gone(node),
      onNodeForgotten: (node) => {
        this.#loads.gone(node);
        this.#assignments.drop(node);
      },
      current: () => this.snapshot(),
      change: (change) => this.#change(change),
    });
    this.#service = new WorkerService({
      log,
      streams: this.streams,
      asks: this.#asks,
      publisher: this.#publisher,
      blobs,
      epoch,
      onEvent: (event) => this.#onEvent(event),
      onLoads: (node, loads) => this.#onLoads(node, loads),
      onRegistered: (node) => {
        this.#assignments.forget(node);
        this.#loads.gone(node);
      },
    });
  }

  /** Loads desired state, takes the next epoch and starts the loop. */
  static async start(deps: ControllerDeps): Promise<Controller> {
    const desired = new DesiredState(deps);
    // In seconds since 1970: a new or emptied store then begins above what any store before it can have counted to.
    const firstEpoch = Math.max(1, Math.floor(deps.clock.wallTime() / 1_000));
    const { epoch, applications, nodes, counts, drains: stored, unreadable } = await desired.load(firstEpoch);
    const drains = liveDrains(stored, deps.clock);
    deps.log.info({ epoch, applications: applications.length, nodes: nodes.length }, "the controller starts");
    const initial = initialState({ epoch, applications, expectedNodes: nodes, counts, drains }, deps.clock.now());
    const controller = new Controller(deps, { desired, unreadable }, initial);
    controller.#loop.wake(0);
    return controller;
  }

  /** What workers talk to, over gRPC or the simulated network. */
  get service(): ControlService {
    return this.#service;
  }

  /** Everything that is known now. */
  snapshot(): ClusterState {
    return this.#state.snapshot();
  }

  /** What is wrong with the desired state's store, a sentence each; nothing mostly. */
  async storeProblems(): Promise<readonly string[]> {
    const { quarantined, failure } = await this.#deps.store.info();
    return [...this.#unreadable, ...quarantined, ...(failure === undefined ? [] : [failure])];
  }

  /**
   * Deploys an application, or says what that would change.
   *
   * @throws {RouteConflictError} when its route prefix belongs to another application
   * @throws {VersionConflictError} when somebody else changed it at the same time
   */
  deploy(input: DeployInput, options: { readonly isPlan: boolean }): Promise<DeployPlan> {
    return this.#change(async () => {
      const { applications } = this.snapshot();
      const { name, routePrefix } = input.spec;
      const owner = routeOwner(applications.values(), input.spec);
      if (owner !== undefined) {
        throw new RouteConflictError(
          `application "${name}" cannot have the route prefix ${routePrefix}: it belongs to application "${owner}"; ` +
            `deploy with another --route-prefix, or delete "${owner}" first`,
        );
      }
      const { plan, record } = deploy(applications.get(name), input);
      if (record === undefined || options.isPlan) return plan;
      await this.#desired.putApplication(record);
      this.#deps.log.info({ application: name, generation: record.target, ...plan }, "deployed");
      this.#onEvent({ kind: "applicationStored", application: record });
      return plan;
    });
  }

  /**
   * Drains everything of an application; it is gone from the state once nothing of it is left.
   *
   * @throws {NotFoundError} when there is none of that name
   */
  delete(name: ApplicationName): Promise<void> {
    return this.#change(async () => {
      const application = this.snapshot().applications.get(name);
      if (application === undefined) {
        throw new NotFoundError("deployment_not_found", `there is no application "${name}"; see \`serve status\``);
      }
      if (application.isDeleting) return;
      const deleting = { ...application, isDeleting: true };
      await this.#desired.putApplication(deleting);
      this.#deps.log.info({ application: name }, "deleting");
      this.#onEvent({ kind: "applicationStored", application: deleting });
    });
  }

  /** Tells every worker that the cluster shuts down. */
  shutdown(): void {
    for (const node of this.streams.nodes()) this.streams.send(node, { kind: "shutdown" });
  }

  /** Stops the loop. Nothing that serves is touched. */
  async close(): Promise<void> {
    this.#loop.close();
    await this.#lastChange;
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change);
    // The next change waits for this one however it ends; its outcome belongs to whoever asked for it.
    this.#lastChange = result.catch(() => undefined);
    return result;
  }

  #onEvent(event: ClusterEvent): void {
    const delayMs = isRoutine(this.#state.current, event) ? ROUTINE_TICK_MS : 0;
    this.#state.apply(event);
    if (event.kind === "nodeRegistered") this.#remember(event);
    this.#loop.wake(delayMs);
  }

  #remember({ registration }: Extract<ClusterEvent, { kind: "nodeRegistered" }>): void {
    // In its turn: an end of its draining that is being stored just now must not be overwritten with what was before.
    const remembered = this.#change(() => {
      const drain = this.snapshot().drains.get(registration.node);
      const stored = drain === undefined ? undefined : storedDrain(drain, this.#deps.clock);
      return this.#desired.putNode(registration.node, stored);
    });
    remembered.catch((err: unknown) => {
      this.#deps.log.warn(
        { err, node: registration.node },
        "a node could not be stored; a restart will not wait for it",
      );
    });
  }

  #onLoads(node: NodeId, loads: readonly DeploymentLoad[]): void {
    const { targets, nodes } = this.#state.current;
    // Its stream was still open when it was taken for lost.
    if (nodes.get(node)?.state === "lost") return;
    this.#loads.heard(node, loads);
    // Somebody waits for a first replica: every other change can wait for those that come with it.
    const isUrgent = loads.some(({ deployment, queued }) => queued > 0 && targets.get(deployment)?.target === 0);
    if (isUrgent) this.#isUrgent = true;
    this.#loop.wake(isUrgent ? 0 : LOAD_REPORT_MS);
  }

  /** One turn of the loop. Safe to repeat after any failure: decisions come from state alone. */
  async #tick(): Promise<void> {
    const { clock, random } = this.#deps;
    const now = clock.now();
    // A loop that stood still (a stopped process, a machine that slept) has not listened either.
    if (now - this.#lastTickAt > 2 * TICK_MS) this.#state.apply({ kind: "stalled" });
    this.#lastTickAt = now;
    this.#sample(now);
    if (this.#state.snapshot().isRecovered) this.#askOutside();

    const state = this.#state.snapshot();
    const decided = reconcile(state, now, random);
    const { actions, violations } = soundPlan(state, decided, now);
    if (violations.length > 0) {
      const fields = { violations, decided, performed: actions.length };
      this.#deps.log.error(fields, "a plan broke an invariant; that part of it was not performed; please report it");
    }
    const done = await this.#executor.perform(actions, state, (event) => this.#state.apply(event));
    // What failed, for instance because the disk is full, is left to the next tick: at once it would fail again.
    if (done > 0) this.#loop.wake(0);
    this.#publish();
  }

  /** Takes in what the routers told: as often as they tell, and at once where somebody waits for a first replica. */
  #sample(now: number): void {
    const ms = now - this.#lastSampleAt;
    if (ms < LOAD_REPORT_MS && !this.#isUrgent) {
      if (this.#loads.isChanged) this.#loop.wake(Math.max(1, Math.ceil(LOAD_REPORT_MS - ms)));
      return;
    }
    this.#isUrgent = false;
    this.#lastSampleAt = now;
    this.#state.apply({ kind: "loadsSampled", loads: this.#loads.take(), ms });
  }

  /** What scaling asks of others: users' policies and metrics. Their answers are events of later ticks. */
  #askOutside(): void {
    this.#functions.askPolicies();
    this.#scraper?.read();
  }

  #publish(): void {
    const state = this.#state.snapshot();
    if (!state.isRecovered || this.#loop.isClosed) return;
    this.#demand.observe(state);
    const published = this.#publisher.publish(state);
    this.#state.apply({ kind: "tablePublished", ...published });
    // What was listed or left just now may be enough for the next step, where no router has to be waited for.
    if (this.#state.snapshot().replicas !== state.replicas) this.#loop.wake(0);
    for (const node of state.nodes.values()) {
      if (node.state === "lost" || !node.isConnected) continue;
      const untold = this.#assignments.untold(state, node.id);
      if (untold.length > 0) this.#onEvent({ kind: "replicasGone", node: node.id, replicas: untold });
      const assignment = this.#assignments.next(state, node.id);
      if (assignment !== undefined) this.streams.send(node.id, { kind: "assign", assignment });
    }
  }
}
