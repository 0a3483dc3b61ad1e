import type { WorkerMessage } from "../../core/assignment.ts";
import type { Digest, NodeId } from "../../core/ids.ts";
import type { DeploymentLoad } from "../../core/load.ts";
import type { Logger } from "../../core/log.ts";
import type { TableUpdate } from "../../core/table.ts";
import type { ControlService, TableVersion, WorkerStream, WorkerStreamListener } from "../../proto/transport.ts";
import type { Asks } from "../act/asks.ts";
import type { TablePublisher } from "../act/table-publisher.ts";
import type { WorkerStreams } from "../act/worker-streams.ts";
import type { ClusterEvent } from "../state/cluster-state.ts";
import type { BlobStore } from "../state/blob-store.ts";

/** What the service works with. */
export type WorkerServiceDeps = {
  readonly log: Logger;
  readonly streams: WorkerStreams;
  readonly asks: Asks;
  readonly publisher: TablePublisher;
  readonly blobs: BlobStore;
  readonly epoch: number;
  /** Takes a fact in and wakes the loop. */
  readonly onEvent: (event: ClusterEvent) => void;
  /** What the routers of a node have to do. */
  readonly onLoads: (node: NodeId, loads: readonly DeploymentLoad[]) => void;
  /** A worker registered, and is to be told everything again. */
  readonly onRegistered: (node: NodeId) => void;
};

/** What workers talk to: turns what they say into facts. */
export class WorkerService implements ControlService {
  readonly #deps: WorkerServiceDeps;

  constructor(deps: WorkerServiceDeps) {
    this.#deps = deps;
  }

  connect(stream: WorkerStream): WorkerStreamListener {
    let node: NodeId | undefined;
    return {
      onMessage: (message) => {
        if (message.kind === "register") node = this.#register(stream, message, node);
        else if (node === undefined) stream.close("a worker's first message must say who it is");
        else this.#hear(node, message);
      },
      onClose: (reason) => {
        if (node === undefined || !this.#deps.streams.remove(node, stream)) return;
        this.#deps.log.info({ node, reason }, "a worker's stream ended");
        this.#deps.asks.disconnected(node);
        this.#deps.onEvent({ kind: "nodeDisconnected", node });
      },
    };
  }

  watchTable(known: TableVersion | undefined, send: (update: TableUpdate) => void): () => void {
    return this.#deps.publisher.watch(known, send);
  }

  readBlob(digest: Digest): Promise<AsyncIterable<Uint8Array>> {
    return this.#deps.blobs.read(digest);
  }

  #register(
    stream: WorkerStream,
    { registration }: Extract<WorkerMessage, { kind: "register" }>,
    known: NodeId | undefined,
  ): NodeId | undefined {
    const { node, epoch, incarnation, replicas } = registration;
    if (epoch > this.#deps.epoch) {
      // It obeyed a later controller: this one has been replaced, and what it says would be refused.
      this.#deps.log.error({ node, epoch }, "a worker has obeyed a later controller; its stream is closed");
      stream.close(`this controller's epoch ${this.#deps.epoch} is over`);
      return known;
    }
    this.#deps.log.info({ node, incarnation, replicas: replicas.length }, "a worker registered");
    this.#deps.streams.add(node, stream);
    this.#deps.asks.disconnected(node);
    this.#deps.onRegistered(node);
    this.#deps.onEvent({ kind: "nodeRegistered", registration });
    return node;
  }

  #hear(node: NodeId, message: Exclude<WorkerMessage, { kind: "register" }>): void {
    switch (message.kind) {
      case "heartbeat":
        this.#deps.onEvent({ kind: "nodeHeard", node, report: message.report });
        break;
      case "replicas":
        this.#deps.onEvent({ kind: "replicasReported", node, reports: message.reports });
        break;
      case "gone":
        this.#deps.onEvent({ kind: "replicasGone", node, replicas: message.replicas });
        break;
      case "loads":
        this.#deps.onLoads(node, message.loads);
        break;
      case "answered":
        this.#deps.asks.answered(node, message.id, message.answer);
        break;
      case "collected":
        this.#deps.streams.answer(node, message.id, message.text);
        break;
    }
  }
}
