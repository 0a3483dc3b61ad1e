import { createMetrics, type MetricRegistry } from "../../core/metric-registry.ts";
import type { ReplicaId, RequestId } from "../../core/ids.ts";
import { seededRandom } from "../../core/random.ts";
import type { ReplicaEntry, TableEntry } from "../../core/table.ts";
import type { RouterRequest } from "../../routing/routed-request.ts";
import { Routers } from "../../routing/routers.ts";
import { serveReplica, type ReplicaServer } from "../../worker/replica/replica-server.ts";
import { ManualClock, settle } from "./manual-clock.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { RecordingLog } from "./recording-log.ts";
import { ScriptedHandler } from "./scripted-handler.ts";
import { deploymentEntry, replicaEntry, snapshot } from "./table.ts";

/** A replica of a bed: its door and what is behind it. */
export type BedReplica = {
  readonly server: ReplicaServer;
  readonly handler: ScriptedHandler;
  readonly entry: ReplicaEntry;
};

/** Routers and replicas in one process, over a network in memory, under a clock that the test moves. */
export class RoutingBed {
  readonly clock = new ManualClock(1_000);
  readonly network = new MemoryNetwork();
  readonly log = new RecordingLog();
  readonly metrics: MetricRegistry = createMetrics();
  readonly routers: Routers;
  #version = 0;

  constructor() {
    const { clock, network, log, metrics } = this;
    const random = seededRandom(7);
    this.routers = new Routers(
      { clock, random, log, metrics, network, defer: (callback) => queueMicrotask(callback) },
      "proxy",
    );
  }

  /** Starts a replica; it is in no table yet. */
  async replica(id: string, more: Partial<ReplicaEntry> = {}): Promise<BedReplica> {
    const handler = new ScriptedHandler();
    const { clock, network, log } = this;
    const server = await serveReplica({
      clock,
      log,
      network,
      defer: (callback) => queueMicrotask(callback),
      address: { host: "127.0.0.1", port: 0 },
      replicaId: id as ReplicaId,
      callSecret: "secret",
      handler,
    });
    return { server, handler, entry: replicaEntry(id, { address: server.address, ...more }) };
  }

  /** Gives the routers a whole new table, and lets them connect. */
  async table(entries: readonly TableEntry[]): Promise<void> {
    this.#version += 1;
    this.routers.apply(snapshot(this.#version, entries));
    this.routers.warm(deploymentEntry().id);
    await settle();
  }
}

/** A request to the bed's deployment, due 10 s from the bed's beginning unless told. */
export function routerRequest(requestId: string, more: Partial<RouterRequest> = {}): RouterRequest {
  return {
    head: {
      kind: "http",
      requestId: requestId as RequestId,
      depth: 0,
      traceparent: "",
      method: "POST",
      path: "/",
      prefix: "/",
      headers: [],
    },
    body: [],
    deadlineAt: 11_000,
    isIdempotent: false,
    cancellation: undefined,
    ...more,
  };
}
