import type { ServeError } from "../../core/error.ts";
import type { Sample } from "../../core/metric.ts";
import { createMetrics, type MetricRegistry } from "../../core/metric-registry.ts";
import type { ReplicaId, RequestId } from "../../core/ids.ts";
import { seededRandom } from "../../core/random.ts";
import type { DeploymentEntry, Place, ReplicaEntry, TableEntry } from "../../core/table.ts";
import { isStream } from "../../proto/body.ts";
import type { RouterRequest } from "../../routing/routed-request.ts";
import { Routers } from "../../routing/routers.ts";
import type { HeldModels } from "../../worker/replica/held-models.ts";
import { serveReplica, type ReplicaServer } from "../../worker/replica/replica-server.ts";
import { ManualClock, settle } from "./manual-clock.ts";
import { MemoryNetwork, type MemorySocket } from "./memory-network.ts";
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
  /** How requests of `send` ended, in that order. */
  readonly ends: string[] = [];
  readonly errors: ServeError[] = [];
  #version = 0;

  /** `place`: where the routers run. */
  constructor(place?: Place) {
    const { clock, network, log, metrics } = this;
    const random = seededRandom(7);
    this.routers = new Routers(
      { clock, random, log, metrics, network, defer: (callback) => queueMicrotask(callback), place },
      "proxy",
    );
  }

  /** Starts a replica; it is in no table yet. */
  async replica(id: string, more: Partial<ReplicaEntry> = {}, heldModels?: HeldModels): Promise<BedReplica> {
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
      heldModels,
    });
    return { server, handler, entry: replicaEntry(id, { address: server.address, ...more }) };
  }

  /** Starts replicas of a deployment, connects to one after the other, and says which sockets are whose. */
  async serve(
    replicas: readonly (Partial<Omit<ReplicaEntry, "id">> & { readonly id: string })[],
    deployment: Partial<DeploymentEntry> = {},
  ): Promise<(BedReplica & { readonly sockets: readonly MemorySocket[] })[]> {
    const served: (BedReplica & { readonly sockets: readonly MemorySocket[] })[] = [];
    const entries: TableEntry[] = [deploymentEntry(deployment)];
    for (const { id, ...more } of replicas) {
      const before = new Set(this.network.sockets);
      const replica = await this.replica(id, more);
      entries.push({ kind: "replica", ...replica.entry });
      await this.table(entries);
      served.push({ ...replica, sockets: [...this.network.sockets].filter((socket) => !before.has(socket)) });
    }
    return served;
  }

  /** Sends a request and notes in `ends` how it ends: `id answer`, or `id code`. */
  send(id: string, more: Partial<RouterRequest> = {}): void {
    this.routers.send(deploymentEntry().id, routerRequest(id, more)).then(
      ({ answer }) =>
        this.ends.push(`${id} ${isStream(answer.body) ? "stream" : Buffer.concat(answer.body).toString()}`),
      (error: ServeError) => {
        this.ends.push(`${id} ${error.code}`);
        this.errors.push(error);
      },
    );
  }

  /** Sum of a metric's series; of a histogram, how many were observed. */
  metric(name: Sample["name"]): number {
    const samples = this.metrics.samples().filter((sample) => sample.name === name);
    const counted = samples.flatMap(({ values }) => (values.length === 1 ? values : values.slice(0, -1)));
    return counted.reduce((sum, value) => sum + value, 0);
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
    priority: 0,
    key: "",
    modelId: "",
    cancellation: undefined,
    ...more,
  };
}
