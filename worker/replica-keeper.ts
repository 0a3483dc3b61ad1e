/**
 * Makes the node's replicas what the assignment says: observe (what children report, how they end) → decide
 * (`decide/assign.ts`, `decide/restart.ts`) → act. One turn is `tick`, safe at any moment. A replica goes
 *
 *   start (bundle → process → order) → starting → ready → draining or ending → stopped → forgotten
 *   starting, ready → its process ends → waiting (backoff, or given up) → start
 *
 * It restarts crashed replicas by itself, under the same id with another process and another call secret; whether a
 * deployment that keeps failing is to go is the controller's decision.
 */
import type { AssignedReplica, ReplicaReport } from "../core/assignment.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { ServeError } from "../core/error.ts";
import type { NodeId, ReplicaId, Version } from "../core/ids.ts";
import { deploymentId } from "../core/ids.ts";
import { ADOPT_SILENT_MS, CHILD_GRACE_MS, TEARDOWN_TIMEOUT_MS } from "../core/limits.ts";
import type { LogFields, Logger } from "../core/log.ts";
import type { Metrics } from "../core/metric.ts";
import type { Random } from "../core/random.ts";
import type { BeatMessage, ReplicaOrder, ReplicaProcessReport } from "../proto/control/message.ts";
import type { Bundles } from "./bundles.ts";
import type { Child, Children } from "./children.ts";
import type { AssignAction } from "./decide/assign.ts";
import { assign } from "./decide/assign.ts";
import type { ProcessExit } from "./decide/exit-reason.ts";
import { exitReason } from "./decide/exit-reason.ts";
import { restart } from "./decide/restart.ts";
import { oomText } from "./health-reason.ts";
import { HealthWatch } from "./health-watch.ts";
import type { ReplicaFailure, ReplicaRecord } from "./replica-record.ts";
import { createRecord, toKnown, toReport } from "./replica-record.ts";
import type { WarmPool } from "./warm-pool.ts";

/** What {@link ReplicaKeeper} is made from. */
export type ReplicaKeeperDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly children: Children;
  readonly pool: WarmPool;
  readonly bundles: Bundles;
  readonly node: NodeId;
  /** The node's label `zone`; empty without. */
  readonly zone: string;
  readonly secret: () => string;
  /** Replicas are started with an inspector. */
  readonly isDebugged: boolean;
  readonly listener: ReplicaKeeperListener;
};

/** What the worker wants to hear of its replicas. */
export interface ReplicaKeeperListener {
  /** Something in a report changed, or a decision is due. */
  onChange(): void;
  /** A process became a replica's. */
  onOrdered(child: Child): void;
  /** It is not on this node any more. */
  onForgotten(replica: ReplicaId): void;
}

/** The replicas of the node. */
export class ReplicaKeeper {
  readonly #deps: ReplicaKeeperDeps;
  readonly #records = new Map<ReplicaId, ReplicaRecord>();
  readonly #health: HealthWatch;
  #wanted: readonly AssignedReplica[] = [];
  #wakeTimer: Timer | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(deps: ReplicaKeeperDeps) {
    this.#deps = deps;
    this.#health = new HealthWatch({
      clock: deps.clock,
      records: () => this.#records.values(),
      isDebugged: deps.isDebugged,
      fail: (record, failure, killAfterMs) => this.#fail(record, failure, killAfterMs),
      onChange: () => deps.listener.onChange(),
    });
  }

  /** From now on these are to run. */
  follow(wanted: readonly AssignedReplica[]): void {
    const before = this.#wanted;
    this.#wanted = wanted;
    for (const { id } of before) {
      // Wanted and removed again before its turn came: the controller still has to hear that nothing of it is here.
      if (!this.#records.has(id) && !wanted.some((assigned) => assigned.id === id)) this.#deps.listener.onForgotten(id);
    }
    for (const assigned of wanted) {
      const record = this.#records.get(assigned.id);
      if (record !== undefined) record.assigned = assigned;
    }
    this.#deps.bundles.keep(new Set(wanted.map(({ launch }) => launch.bundle)));
    this.#deps.listener.onChange();
  }

  /** Takes over a replica whose process an earlier worker left. Until an assignment comes it is to go on. */
  adopt(child: Child, order: ReplicaOrder): void {
    const { launch } = order;
    const assigned: AssignedReplica = this.#wanted.find(({ id }) => id === order.replicaId) ?? {
      id: order.replicaId as ReplicaId,
      deployment: deploymentId(launch.application, launch.deployment),
      version: order.version as Version,
      desired: "run",
      launch,
    };
    const record = createRecord(assigned);
    const restarts = order.restarts ?? 0;
    const startedAt = this.#deps.clock.now();
    Object.assign(record, { phase: "starting", child, order, restarts, startedAt, reason: "re-adopted" });
    this.#records.set(assigned.id, record);
    if (!this.#wanted.some(({ id }) => id === assigned.id)) this.#wanted = [...this.#wanted, assigned];
    this.#limitStart(record);
  }

  /** One turn of the loop. */
  tick(): void {
    const records = [...this.#records.values()];
    const silent = new Set(records.filter(isSilent).map(({ assigned }) => assigned.id));
    const plan = assign(
      this.#wanted.filter(({ id }) => !silent.has(id)),
      records.filter(({ assigned }) => !silent.has(assigned.id)).map(toKnown),
      this.#deps.clock.now(),
    );
    for (const action of plan.actions) this.#perform(action);
    this.#wakeTimer?.cancel();
    this.#wakeTimer =
      plan.wakeAt === undefined
        ? undefined
        : this.#deps.clock.after(Math.max(0, plan.wakeAt - this.#deps.clock.now()), () =>
            this.#deps.listener.onChange(),
          );
    if (this.#records.size === 0) this.#onEmpty?.();
  }

  /** Everything the controller may know, newest. */
  reports(): readonly ReplicaReport[] {
    return [...this.#records.values()].filter(({ phase }) => phase !== "stopped").map(toReport);
  }

  /** Whether a replica starts just now. */
  get isStarting(): boolean {
    return [...this.#records.values()].some(({ phase }) => phase === "starting");
  }

  /** Drains every replica within its own time, for good. Resolves when the last process is gone. */
  drain(): Promise<void> {
    this.follow(this.#wanted.map((assigned) => ({ ...assigned, desired: "drain" })));
    if (this.#records.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onEmpty = resolve));
  }

  /** Watches them no more. */
  close(): void {
    this.#health.close();
  }

  /** Longest time that one of the replicas gets to finish, in milliseconds; 0 without any. */
  get longestDrainMs(): number {
    const times = [...this.#records.values()].map(({ assigned }) => assigned.launch.options.gracefulShutdownTimeoutMs);
    return Math.max(0, ...times);
  }

  /** A replica's process said how it is. */
  reported(child: Child, report: ReplicaProcessReport): void {
    const record = this.#of(child);
    if (record === undefined) return;
    record.report = report;
    const isOver = record.phase === "draining" || record.phase === "ending";
    if (report.state === "ready" && record.phase === "starting") becomeReady(this.#deps, record);
    if (report.state === "starting" && record.phase === "starting") record.reason = report.reason;
    // An older release that gives up by itself drains first.
    const isOwnDrain = record.phase === "draining" && record.assigned.desired === "run";
    if (report.state === "failed" && (!isOver || isOwnDrain)) {
      this.#fail(record, { reason: report.reason, cause: report.isPermanent ? "permanent" : "ordinary" });
    }
    // Drains without having been told by this worker: by the one before it, or because that was away too long.
    if (report.state === "draining" && !isOver) {
      record.phase = "draining";
      record.reason = report.reason;
      limitDrain(this.#deps, record, child);
    }
    this.#deps.listener.onChange();
  }

  /** A replica's event loop runs. */
  beat(child: Child, beat: BeatMessage): void {
    const record = this.#of(child);
    if (record !== undefined) this.#health.heard(record, beat);
  }

  /** Whether a child that is gone was a replica's process; if so the replica is started again, or is stopped. */
  gone(child: Child, exit: ProcessExit): boolean {
    const record = this.#of(child);
    if (record === undefined) return false;
    record.limit?.cancel();
    record.child = undefined;
    const isOver = record.phase === "draining" || record.phase === "ending";
    if (isOver && record.failure === undefined) record.phase = "stopped";
    else
      this.#ended(
        record,
        record.failure ?? { reason: beforeReady(record, exit), cause: "ordinary" },
        record.failure?.label ?? exitReason(exit).label,
      );
    this.#deps.listener.onChange();
    return true;
  }

  #of(child: Child): ReplicaRecord | undefined {
    for (const record of this.#records.values()) if (record.child === child) return record;
    return undefined;
  }

  #perform(action: AssignAction): void {
    if (action.kind === "start") {
      this.#start(action.replica);
      return;
    }
    const record = this.#records.get(action.id);
    if (action.kind === "forget") {
      this.#records.delete(action.id);
      // Said once for every assignment that still names it, not at every turn.
      this.#wanted = this.#wanted.filter(({ id }) => id !== action.id);
      this.#deps.listener.onForgotten(action.id);
    }
    if (record === undefined) return;
    this.#deps.log.debug(fields(record, { action: action.kind, reason: action.reason }), "replica");
    if (action.kind === "end") this.#end(record);
    if (action.kind === "drain") beginDrain(this.#deps, record, action.timeoutMs);
    if (action.kind === "reconfigure" && record.child !== undefined && record.order !== undefined) {
      const order = { ...record.order, launch: { ...record.order.launch, options: action.options } };
      // A child that is not connected just now is compared again once it is.
      if (this.#deps.children.reconfigure(record.child, order)) record.order = order;
    }
  }

  #start(assigned: AssignedReplica): void {
    const record = this.#records.get(assigned.id) ?? createRecord(assigned);
    if (record.order !== undefined) record.restarts++;
    const preparing = new AbortController();
    Object.assign(record, {
      phase: "starting",
      reason: "fetching its code",
      report: undefined,
      failure: undefined,
      readyAt: undefined,
      restartAt: undefined,
      vitalSigns: undefined,
      memory: undefined,
      startedAt: this.#deps.clock.now(),
      preparing,
    } satisfies Partial<ReplicaRecord>);
    this.#records.set(assigned.id, record);
    void this.#place(record, preparing.signal);
    this.#deps.listener.onChange();
  }

  /** Gives a replica a process, once its code is there. */
  async #place(record: ReplicaRecord, signal: AbortSignal): Promise<void> {
    const { bundles, pool, children, node, zone, secret, listener } = this.#deps;
    const { assigned } = record;
    try {
      const code = await bundles.prepare(assigned.launch, signal);
      if (signal.aborted) return;
      record.preparing = undefined;
      const { child, pool: from } = pool.take();
      const { id: replicaId, version, launch } = assigned;
      const { restarts } = record;
      record.order = { replicaId, version, node, zone, callSecret: secret(), ...code, launch, restarts };
      record.child = child;
      record.pool = from;
      record.reason = "waiting for a process";
      children.order(child, record.order);
      this.#limitStart(record);
      listener.onOrdered(child);
    } catch (thrown) {
      if (signal.aborted) return;
      record.preparing = undefined;
      this.#ended(record, toFailure(ServeError.from(thrown)), "bundle");
    }
    listener.onChange();
  }

  /** Notes the first cause and ends the process, whose end then decides what comes next. */
  #fail(record: ReplicaRecord, failure: ReplicaFailure, killAfterMs?: number): void {
    record.failure ??= failure;
    record.reason = record.failure.reason;
    if (record.child !== undefined) this.#deps.children.end(record.child, undefined, killAfterMs);
    this.#deps.listener.onChange();
  }

  #limitStart(record: ReplicaRecord): void {
    const { clock } = this.#deps;
    const isAdopted = record.child?.isAdopted === true;
    const startTimeoutMs = Math.max(record.assigned.launch.options.startTimeoutMs, isAdopted ? ADOPT_SILENT_MS : 0);
    record.limit?.cancel();
    // The replica keeps its own time; this is for one whose event loop is blocked.
    record.limit = clock.after(startTimeoutMs + CHILD_GRACE_MS, () => {
      if (record.phase !== "starting") return;
      this.#fail(record, {
        reason: `was not ready within ${startTimeoutMs} ms; last it was: ${record.reason}`,
        cause: "permanent",
      });
    });
  }

  #end(record: ReplicaRecord): void {
    record.limit?.cancel();
    record.preparing?.abort();
    record.preparing = undefined;
    record.failure = undefined;
    if (record.child === undefined) {
      record.phase = "stopped";
      this.#deps.listener.onChange();
      return;
    }
    record.phase = "ending";
    record.reason = "stopping";
    this.#deps.children.end(record.child);
  }

  /** A replica that should run has no process. */
  #ended(record: ReplicaRecord, failure: ReplicaFailure, label: string): void {
    const { clock, random, metrics, log } = this.#deps;
    const { readyAt, failedStarts, crashes, assigned } = record;
    const decision = restart({ cause: failure.cause, readyAt, failedStarts, crashes }, clock.now(), random);
    record.phase = "waiting";
    record.reason = failure.reason;
    record.report = undefined;
    record.failedStarts = decision.failedStarts;
    record.startFailure = failure.reason;
    record.restartAt = decision.kind === "restart" ? decision.at : undefined;
    record.restartDelayMs = decision.kind === "restart" ? decision.at - clock.now() : 0;
    record.vitalSigns = undefined;
    if (decision.kind === "restart") {
      record.crashes = decision.crashes;
    }
    // One that is to go is not started again, however it ended.
    const isWanted = this.#wanted.some(({ id, desired }) => id === assigned.id && desired === "run");
    if (isWanted && decision.kind === "restart") {
      metrics.counter("thornback_replica_restarts_total", { deployment: assigned.deployment, reason: label }).add(1);
    }
    log.warn(
      fields(record, { reason: failure.reason, decision: decision.reason, failedStarts: decision.failedStarts }),
      "replica ended",
    );
  }
}

function becomeReady({ clock, metrics, log }: ReplicaKeeperDeps, record: ReplicaRecord): void {
  record.limit?.cancel();
  record.phase = "ready";
  record.readyAt = clock.now();
  record.failedStarts = 0;
  const seconds = (record.readyAt - record.startedAt) / 1_000;
  const labels = { deployment: record.assigned.deployment, pool: record.pool };
  if (record.child?.isAdopted === false) metrics.histogram("thornback_replica_start_seconds", labels).observe(seconds);
  log.info(fields(record, { pid: record.child?.run.pid, seconds }), "replica is ready");
}

function beginDrain(deps: ReplicaKeeperDeps, record: ReplicaRecord, timeoutMs: number): void {
  const { child } = record;
  if (child === undefined) return;
  record.phase = "draining";
  record.reason = "finishing its ongoing requests";
  deps.children.send(child, { kind: "drain", timeoutMs });
  limitDrain(deps, record, child);
}

/** The replica keeps its own time; this is for one whose event loop is blocked. */
function limitDrain({ clock, children }: ReplicaKeeperDeps, record: ReplicaRecord, child: Child): void {
  const { gracefulShutdownTimeoutMs } = record.assigned.launch.options;
  // One that is not connected cannot be told but by a signal.
  const limitMs = child.link === undefined ? 0 : gracefulShutdownTimeoutMs + TEARDOWN_TIMEOUT_MS + CHILD_GRACE_MS;
  record.limit?.cancel();
  record.limit = clock.after(limitMs, () => children.end(child));
}

/** Whether an adopted process has not said yet where it stands: until then nothing can be decided about it. */
function isSilent({ child, report }: ReplicaRecord): boolean {
  return child?.isAdopted === true && report === undefined;
}

/** Why its code could not be had. */
function toFailure({ code, message: reason }: ServeError): ReplicaFailure {
  if (code === "invalid_spec") return { reason, cause: "permanent" };
  return { reason, cause: code === "deployment_unavailable" ? "unreachable" : "ordinary" };
}

function beforeReady(record: ReplicaRecord, exit: ProcessExit): string {
  const { text: ending, label } = exitReason(exit);
  const limitBytes = record.assigned.launch.options.memoryLimitBytes ?? 0;
  const text =
    label === "outOfMemory" && record.memory !== undefined
      ? `${oomText(record.memory, limitBytes)}; ${ending}`
      : ending;
  return record.readyAt === undefined ? `${text} before it was ready (it was: ${record.reason})` : text;
}

function fields({ assigned }: ReplicaRecord, more: LogFields): LogFields {
  return { replica: assigned.id, deployment: assigned.deployment, version: assigned.version, ...more };
}
