import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { systemClock, systemDefer } from "../../core/clock.ts";
import { createMetrics, type MetricRegistry } from "../../core/metric-registry.ts";
import type { ReplicaId } from "../../core/ids.ts";
import type { Address } from "../../core/network.ts";
import { systemRandom } from "../../core/random.ts";
import type { DeploymentEntry, RouteEntry, TableEntry } from "../../core/table.ts";
import type { Answer, RequestHandler } from "../../proto/exchange.ts";
import { tcpNetwork } from "../../proto/tcp-network.ts";
import type { FrontLimits, HttpFront } from "../../proxy/http-front.ts";
import { createLlhttpFront } from "../../proxy/llhttp-front.ts";
import { createNodeFront } from "../../proxy/node-front.ts";
import { Proxy } from "../../proxy/proxy.ts";
import { Routers } from "../../routing/routers.ts";
import { serveReplica, type ReplicaServer } from "../../worker/replica/replica-server.ts";
import { RecordingLog } from "./recording-log.ts";
import { deploymentEntry, replicaEntry, routeEntry, snapshot } from "./table.ts";
import { gatherBody } from "./gather-body.ts";

/** A proxy and one replica on loopback. */
export type ProxyBed = {
  readonly url: string;
  readonly address: Address;
  readonly proxy: Proxy;
  readonly front: HttpFront;
  readonly routers: Routers;
  readonly metrics: MetricRegistry;
  readonly log: RecordingLog;
  /** Sends raw bytes on a connection of their own, and gives all that came back until it was closed. */
  raw(bytes: string | Uint8Array): Promise<string>;
  close(): Promise<void>;
};

/** What a bed's handler does with a request. */
export type HandleRequest = RequestHandler["handle"];

/** Starts a bed whose replica runs `handle`. `hasTable`: false leaves the proxy without a routing table. */
export async function proxyBed(
  handle: HandleRequest,
  more: {
    readonly routes?: readonly Partial<RouteEntry>[];
    readonly deployment?: Partial<DeploymentEntry>;
    readonly hasTable?: boolean;
    /** `node` unless it is said. */
    readonly front?: "node" | "llhttp";
    readonly limits?: FrontLimits;
    /** How many requests the router gives the replica at a time: 64 unless it is said. */
    readonly maxOngoingRequests?: number;
  } = {},
): Promise<ProxyBed> {
  const log = new RecordingLog();
  const metrics = createMetrics();
  const seams = { clock: systemClock, random: systemRandom, log, metrics, network: tcpNetwork, defer: systemDefer };
  const server: ReplicaServer = await serveReplica({
    ...seams,
    address: { host: "127.0.0.1", port: 0 },
    replicaId: "r1" as ReplicaId,
    callSecret: "secret",
    handler: { ongoing: 0, handle },
  });
  const routers = new Routers(seams, "proxy");
  const proxy = new Proxy({ ...seams, routers, nodeMetrics: () => Promise.resolve("metrics\n") });
  const createFront = more.front === "llhttp" ? createLlhttpFront : createNodeFront;
  const front = createFront(proxy, log, more.limits);
  const address = await front.listen({ address: { host: "127.0.0.1", port: 0 }, isShared: false });
  if (more.hasTable !== false) {
    const routes = (more.routes ?? [{ prefix: "/" }]).map((route) => routeEntry(route.prefix ?? "/", route));
    const replica = replicaEntry("r1", { address: server.address, maxOngoingRequests: more.maxOngoingRequests ?? 64 });
    const entries: TableEntry[] = [...routes, deploymentEntry(more.deployment), replica];
    routers.apply(snapshot(1, entries));
    routers.warm(replica.deployment);
  }
  const sockets = new Set<Socket>();
  return {
    url: `http://127.0.0.1:${address.port}`,
    address,
    proxy,
    front,
    routers,
    metrics,
    log,
    async raw(bytes) {
      const socket = connect(address.port, "127.0.0.1");
      sockets.add(socket);
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      // A reset after the answer is as good an end as a close.
      socket.on("error", () => {});
      socket.write(bytes);
      await once(socket, "close");
      return text;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      front.close();
      routers.close();
      await server.close();
    },
  };
}

/** A handler that answers at once with what it got. */
export const echo: HandleRequest = async (head, body): Promise<Answer> => {
  if (head.kind !== "http") throw new Error("only HTTP");
  const { method, path, prefix, headers, requestId, timeoutMs, traceparent } = head;
  let bytes = 0;
  for (const part of await gatherBody(body, Number.MAX_SAFE_INTEGER)) bytes += part.byteLength;
  const text = JSON.stringify({ method, path, prefix, headers, requestId, timeoutMs, traceparent, bytes });
  return { status: 200, headers: ["content-type", "application/json"], body: [Buffer.from(text)] };
};
