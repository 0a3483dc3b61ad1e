import type { AssignedReplica, ControllerMessage, ReplicaReport, WorkerMessage } from "../../core/assignment.ts";
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import type { TableUpdate } from "../../core/table.ts";
import type { ControlService, WorkerStreamListener } from "../../proto/transport.ts";
import { nodeResources, replicaReport } from "./cluster-fixture.ts";

/** Sees what the workers of a large cluster are sent. */
export type LightWorkerListener = {
  readonly onUpdate?: (node: NodeId, update: TableUpdate) => void;
  readonly onMessage?: (node: NodeId, message: ControllerMessage) => void;
};

/**
 * One of a thousand nodes: starts at once what it is told, all of an assignment in one report, and tells with its
 * heartbeats which table it has. It keeps no table, because a thousand of them would not fit in the memory.
 */
export class LightWorker {
  readonly node: NodeId;
  readonly replicas = new Map<ReplicaId, ReplicaReport>();
  readonly #on: LightWorkerListener;
  #listener: WorkerStreamListener | undefined;
  #stopWatching: (() => void) | undefined;
  #known = { tableEpoch: 0, tableVersion: 0 };
  #toldVersion = 0;

  constructor(node: string, on: LightWorkerListener) {
    this.node = node as NodeId;
    this.#on = on;
  }

  /** Connects and registers. */
  connect(service: ControlService): void {
    this.#listener = service.connect({
      send: (message) => this.#obey(message),
      close: (reason) => this.#listener?.onClose(reason),
    });
    const { node } = this;
    const replicas = [...this.replicas.values()];
    const registration = { node, incarnation: 1, resources: nodeResources(), labels: {}, replicas, epoch: 0 };
    this.#say({ kind: "register", registration });
    this.#stopWatching = service.watchTable(undefined, (update) => {
      this.#on.onUpdate?.(node, update);
      this.#known = { tableEpoch: update.epoch, tableVersion: update.version };
    });
  }

  /** Says that it lives, and which table it has. */
  heartbeat(): void {
    this.#toldVersion = this.#known.tableVersion;
    this.#say({ kind: "heartbeat", report: { httpUrl: "", reason: "", ...this.#known } });
  }

  /** As `heartbeat`, if it has a table that it has not told of. */
  acknowledge(): void {
    if (this.#toldVersion !== this.#known.tableVersion) this.heartbeat();
  }

  /** It loses its power: nothing is heard of it any more, not even that its connection broke. */
  vanish(): void {
    this.#listener = undefined;
    this.#stopWatching?.();
  }

  /** Tells of one of its replicas again. */
  report(id: ReplicaId, change: Partial<ReplicaReport>): void {
    const report = { ...(this.replicas.get(id) ?? replicaReport(id)), ...change };
    this.replicas.set(id, report);
    this.#say({ kind: "replicas", reports: [report] });
  }

  #say(message: WorkerMessage): void {
    this.#listener?.onMessage(message);
  }

  #obey(message: ControllerMessage): void {
    this.#on.onMessage?.(this.node, message);
    if (message.kind !== "assign") return;
    const running = message.assignment.replicas.filter(({ desired }) => desired === "run");
    const started = running.filter(({ id }) => !this.replicas.has(id)).map((replica) => this.#start(replica));
    const wanted = new Set(running.map(({ id }) => id));
    const ended = [...this.replicas.keys()].filter((id) => !wanted.has(id));
    for (const id of ended) this.replicas.delete(id);
    if (started.length > 0) this.#say({ kind: "replicas", reports: started });
    if (ended.length > 0) this.#say({ kind: "gone", replicas: ended });
  }

  #start({ id, deployment, version, launch }: AssignedReplica): ReplicaReport {
    const report = replicaReport(id, { deployment, version, gpus: launch.gpus });
    this.replicas.set(id, report);
    return report;
  }
}
