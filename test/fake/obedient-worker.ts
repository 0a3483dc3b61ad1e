import type {
  AssignedReplica,
  ControllerMessage,
  NodeResources,
  ReplicaReport,
  WorkerMessage,
} from "../../core/assignment.ts";
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { DeploymentLoad } from "../../core/load.ts";
import type { TableEntry } from "../../core/table.ts";
import { tableKey, type TableUpdate } from "../../core/table.ts";
import type { ControlService, WorkerStreamListener } from "../../proto/transport.ts";
import { nodeResources, replicaReport } from "./cluster-fixture.ts";

/** How an obedient worker is to behave. */
export type ObedientWorkerOptions = {
  readonly resources?: Partial<NodeResources>;
  /** Whether its routers acknowledge tables. Default: they do. */
  readonly acknowledges?: boolean;
  /** It says that it is about to end. */
  readonly isLeaving?: boolean;
  /** Why a replica of this version cannot start; undefined: it can. */
  readonly failure?: (replica: AssignedReplica) => string | undefined;
};

/** A node for tests of the controller: does at once what it is told, and remembers it. */
export class ObedientWorker {
  readonly node: NodeId;
  readonly replicas = new Map<ReplicaId, ReplicaReport>();
  readonly assigned = new Map<ReplicaId, AssignedReplica>();
  readonly messages: ControllerMessage[] = [];
  readonly updates: TableUpdate[] = [];
  readonly table = new Map<string, TableEntry>();
  options: ObedientWorkerOptions;
  closedBecause: string | undefined;
  #listener: WorkerStreamListener | undefined;
  #stopWatching: (() => void) | undefined;
  #acknowledged = { tableEpoch: 0, tableVersion: 0 };
  #epoch = 0;
  #incarnation = 0;
  #lastPort = 40_000;

  constructor(node: string, options: ObedientWorkerOptions = {}) {
    this.node = node as NodeId;
    this.options = options;
  }

  /** Connects and registers, as the first time or again. */
  connect(service: ControlService): void {
    this.closedBecause = undefined;
    this.#listener = service.connect({
      send: (message) => this.#obey(message),
      close: (reason) => {
        this.closedBecause = reason;
        const listener = this.#listener;
        this.#listener = undefined;
        listener?.onClose(reason);
      },
    });
    this.#say({
      kind: "register",
      registration: {
        node: this.node,
        incarnation: ++this.#incarnation,
        resources: nodeResources(this.options.resources),
        labels: {},
        replicas: [...this.replicas.values()],
        epoch: this.#epoch,
      },
    });
    this.#stopWatching?.();
    this.#stopWatching = service.watchTable(undefined, (update) => this.#take(update));
  }

  /** The stream breaks; replicas go on. */
  disconnect(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    listener?.onClose("the connection broke");
  }

  heartbeat(): void {
    this.#say({
      kind: "heartbeat",
      report: {
        ...{ httpUrl: `http://${this.node}`, reason: "", ...this.#acknowledged },
        ...(this.options.isLeaving === true ? { isLeaving: true } : {}),
      },
    });
  }

  /** Says what its routers have to do. */
  loads(loads: readonly DeploymentLoad[]): void {
    this.#say({ kind: "loads", loads });
  }

  /** Says something about one of its replicas. */
  report(id: ReplicaId, change: Partial<ReplicaReport>): void {
    const report = { ...(this.replicas.get(id) ?? replicaReport(id)), ...change };
    this.replicas.set(id, report);
    this.#say({ kind: "replicas", reports: [report] });
  }

  /** Ready replicas of a version in the table it has. */
  listed(version?: string): readonly string[] {
    return [...this.table.values()].flatMap((entry) =>
      entry.kind === "replica" && (version === undefined || entry.version === version) ? [entry.id] : [],
    );
  }

  #say(message: WorkerMessage): void {
    this.#listener?.onMessage(message);
  }

  #obey(message: ControllerMessage): void {
    this.messages.push(message);
    if (message.kind === "collect")
      this.#say({ kind: "collected", id: message.id, text: `${message.what.kind} of ${this.node}` });
    if (message.kind !== "assign") return;
    this.#epoch = message.assignment.epoch;
    const wanted = new Map(message.assignment.replicas.map((replica) => [replica.id, replica]));
    for (const replica of wanted.values()) this.#run(replica);
    const ended = [...this.replicas.keys()].filter((id) => wanted.get(id)?.desired !== "run");
    for (const id of ended) this.replicas.delete(id);
    if (ended.length > 0) this.#say({ kind: "gone", replicas: ended });
  }

  #run(replica: AssignedReplica): void {
    this.assigned.set(replica.id, replica);
    if (replica.desired === "drain" || this.replicas.has(replica.id)) return;
    const reason = this.options.failure?.(replica);
    this.report(replica.id, {
      deployment: replica.deployment,
      version: replica.version,
      gpus: replica.launch.gpus,
      pid: ++this.#lastPort,
      address: { host: "127.0.0.1", port: this.#lastPort },
      ...(reason === undefined ? { state: "ready" } : { state: "failed", reason, failedStarts: 3 }),
    });
  }

  #take(update: TableUpdate): void {
    this.updates.push(update);
    if (update.kind === "snapshot") this.table.clear();
    for (const entry of update.upserts) this.table.set(tableKey(entry), entry);
    for (const key of update.removals) this.table.delete(key);
    if (this.options.acknowledges === false) return;
    this.#acknowledged = { tableEpoch: update.epoch, tableVersion: update.version };
    this.heartbeat();
  }
}
