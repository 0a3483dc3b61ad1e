/**
 * The HTTP front on llhttp, the parser of Node itself, as WebAssembly, and on plain sockets: most of what a request costs
 * with node:http are its objects, and these are fewer.
 *
 * llhttp decides what is a request and where its head and its chunks end, strictly (`llhttp/parser.ts`, and `wasm.ts` where
 * it comes from). All else is ours: limits and refusals, bodies of declared length (`inbound-body.ts`), the order of
 * requests on a connection (`connection.ts`), answers (`answer.ts`, `streamed-answer.ts`), and patience: one sweep per
 * front looks for connections that are too slow, there are no timers of requests.
 */
import { createServer } from "node:net";
import { MOST_CLIENT_CONNECTIONS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import { bindServer } from "./bind-server.ts";
import { DEFAULT_FRONT_LIMITS, type ExchangeHandler, type FrontLimits, type HttpFront } from "./http-front.ts";
import { Connection, type FrontParts } from "./llhttp/connection.ts";
import { FlushQueue } from "./llhttp/flush-queue.ts";
import { RequestParser } from "./llhttp/parser.ts";
import { stopAccepting } from "./stop-accepting.ts";
import { Sweep } from "./sweep.ts";

/**
 * Makes the front.
 * @throws {Error} when the installed undici has another llhttp than this was written for.
 */
export function createLlhttpFront(
  handler: ExchangeHandler,
  log: Logger,
  limits: FrontLimits = DEFAULT_FRONT_LIMITS,
): HttpFront {
  const connections = new Set<Connection>();
  const front: FrontParts = {
    handler,
    log,
    limits,
    parser: new RequestParser(),
    flushes: new FlushQueue(),
    connections,
    isDraining: false,
    closesIdle: false,
  };
  // Half-open, so that a client that ends its request too early can be told.
  const server = createServer(
    { noDelay: true, allowHalfOpen: true, pauseOnConnect: true },
    (socket) => void new Connection(socket, front),
  );
  server.maxConnections = MOST_CLIENT_CONNECTIONS;
  let sweep: Sweep | undefined;
  let idleTimer: NodeJS.Timeout | undefined;
  const stopTimers = (): void => {
    sweep?.stop();
    clearTimeout(idleTimer);
  };
  server.on("listening", () => {
    sweep = new Sweep(connections, limits.sweepMs);
  });
  server.on("error", (err) => {
    // Otherwise it could not listen, and who asked it to hears why.
    if (server.listening) log.warn({ err }, "a connection could not be accepted");
  });
  server.on("close", stopTimers);
  return {
    listen: (options) => bindServer(server, options),
    drain() {
      front.isDraining = true;
      idleTimer ??= setTimeout(() => {
        front.closesIdle = true;
        sweep?.all();
      }, limits.drainIdleMs);
      return new Promise((resolve) => stopAccepting(server, () => resolve()));
    },
    close() {
      server.close();
      stopTimers();
      for (const connection of connections) connection.close();
    },
  };
}
