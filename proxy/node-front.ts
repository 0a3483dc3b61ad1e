/**
 * The HTTP front on node:http, tuned: header arrays instead of objects, small answers as one write, no Date header, no
 * listeners and no timers per request. Node's own parser decides what is a request; what it lets through though it is
 * ambiguous is refused here. Node ends heads that are slow; bodies, readers and refused clients that are slow are ended by
 * one sweep of all connections.
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { HttpRequestError } from "../core/error.ts";
import { MOST_CLIENT_CONNECTIONS, MOST_HEADER_BYTES, MOST_HEADERS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Address } from "../core/network.ts";
import { bindServer } from "./bind-server.ts";
import {
  DEFAULT_FRONT_LIMITS,
  type ExchangeHandler,
  type FrontLimits,
  type HttpFront,
  type ListenOptions,
} from "./http-front.ts";
import { NodeConnection, type NodeFrontState } from "./node/connection.ts";
import { NodeExchange } from "./node/exchange.ts";
import { ServedMessage } from "./node/served-message.ts";
import { stopAccepting } from "./stop-accepting.ts";
import { Sweep, SWEEP_PARTS } from "./sweep.ts";

/** Makes the front. */
export function createNodeFront(
  handler: ExchangeHandler,
  log: Logger,
  limits: FrontLimits = DEFAULT_FRONT_LIMITS,
): HttpFront {
  return new NodeFront({ handler, log, limits, isDraining: false });
}

class NodeFront implements HttpFront {
  readonly #state: NodeFrontState;
  readonly #server: Server;
  readonly #connections = new Map<Socket, NodeConnection>();
  #sweep: Sweep | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(state: NodeFrontState) {
    this.#state = state;
    const { limits, handler } = state;
    const server = createServer({
      IncomingMessage: ServedMessage,
      noDelay: true,
      insecureHTTPParser: false,
      requireHostHeader: false,
      maxHeaderSize: MOST_HEADER_BYTES,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: 0,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: Math.ceil(limits.sweepMs / SWEEP_PARTS),
    });
    this.#server = server;
    // One more than may be, because Node drops what is over it in silence.
    server.maxHeadersCount = MOST_HEADERS + 1;
    server.maxConnections = MOST_CLIENT_CONNECTIONS;
    server.on("listening", () => {
      this.#sweep = new Sweep(this.#connections, limits.sweepMs);
    });
    server.on("connection", (socket) => this.#open(socket));
    server.on("request", (request, response) => this.#onRequest(request, response, false));
    server.on("checkContinue", (request, response) => this.#onRequest(request, response, true));
    server.on("checkExpectation", (request: ServedMessage, response: ServerResponse) => {
      handler.onRefused(EXPECTATION_FAILED);
      this.#connections.get(request.socket)?.takeNoMore();
      response.sendDate = false;
      response.shouldKeepAlive = false;
      response.writeHead(EXPECTATION_FAILED, ["content-length", "0"]).end();
    });
    server.on("connect", (_request, socket) => {
      const text = "this is not a forward proxy: CONNECT is not served here";
      this.#connections.get(socket as Socket)?.refuse(new HttpRequestError("method_not_allowed", text));
    });
    server.on("upgrade", (request, socket, head) => this.#connections.get(socket as Socket)?.upgrade(request, head));
    server.on("clientError", (error, socket) => this.#connections.get(socket as Socket)?.onClientError(error));
  }

  listen(options: ListenOptions): Promise<Address> {
    return bindServer(this.#server, options);
  }

  drain(): Promise<void> {
    this.#state.isDraining = true;
    const { drainIdleMs, sweepMs } = this.#state.limits;
    // Idle connections are closed then, and later those that have become idle.
    this.#idleTimer ??= setTimeout(() => {
      this.#idleTimer = setInterval(() => this.#server.closeIdleConnections(), sweepMs).unref();
      this.#server.closeIdleConnections();
    }, drainIdleMs);
    return new Promise((resolve) =>
      stopAccepting(this.#server, () => {
        this.close();
        resolve();
      }),
    );
  }

  close(): void {
    this.#sweep?.stop();
    clearInterval(this.#idleTimer);
    this.#server.close();
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  #open(socket: Socket): void {
    this.#connections.set(socket, new NodeConnection(socket, this.#state));
    socket.on("close", () => this.#connections.delete(socket));
  }

  #onRequest(request: ServedMessage, response: ServerResponse, isAwaited: boolean): void {
    const connection = this.#connections.get(request.socket);
    connection?.add(new NodeExchange(connection, request, response, isAwaited));
  }
}

const EXPECTATION_FAILED = 417;
