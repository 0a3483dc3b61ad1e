/**
 * The HTTP front on node:http, tuned: header arrays instead of objects, small answers as one write, no Date header.
 * Node's own parser decides what is a request; what it lets through though it is ambiguous is refused here. `readBody`
 * and `answer` belong to one exchange; the rest is per server.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Cancellation } from "../core/cancellation.ts";
import { CancelledError, HttpRequestError, InvalidRequestError, type ServeError } from "../core/error.ts";
import {
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MOST_HEADER_BYTES,
  MOST_HEADERS,
  MOST_HELD_BODY_BYTES,
  READER_STALL_MS,
  REQUEST_READ_TIMEOUT_MS,
} from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import { rawErrorAnswer } from "./error-response.ts";
import type { ExchangeHandler, HttpAnswer, HttpExchange, HttpFront } from "./http-front.ts";
import { readBody, type BodyLength } from "./request-body.ts";
import { refusalOf } from "./request-head.ts";

/** Connections that may wait to be accepted. */
const BACKLOG = 1_024;
/** How often Node looks for connections that are too slow: they are closed this late at most. */
const SLOW_CHECK_MS = 500;
/** Answers up to this leave as one string together with their head; more is cheaper by reference. */
const ONE_WRITE_BYTES = 4_096;

/** What the requests of a front have in common. */
type FrontState = {
  isDraining: boolean;
  /** Bytes of bodies, read or being read, of requests that have not ended. */
  heldBytes: number;
  readonly mostHeldBytes: number;
};

/** Makes the front; `mostHeldBytes` bounds the bodies of all its requests together. */
export function createNodeFront(
  handler: ExchangeHandler,
  log: Logger,
  mostHeldBytes = MOST_HELD_BODY_BYTES,
): HttpFront {
  const state: FrontState = { isDraining: false, heldBytes: 0, mostHeldBytes };
  const server = createServer({
    noDelay: true,
    insecureHTTPParser: false,
    requireHostHeader: false,
    maxHeaderSize: MOST_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_READ_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: SLOW_CHECK_MS,
  });
  // One more than may be, because Node drops what is over it in silence.
  server.maxHeadersCount = MOST_HEADERS + 1;
  const onRequest = (request: IncomingMessage, response: ServerResponse, mustContinue: boolean): void => {
    const exchange = new NodeExchange(request, response, { front: state, mustContinue });
    handler.handle(exchange).then(
      () => exchange.release(),
      (err: unknown) => {
        exchange.release();
        log.error({ err }, "a request was not answered");
        response.destroy();
      },
    );
  };
  server.on("request", (request, response) => onRequest(request, response, false));
  server.on("checkContinue", (request, response) => onRequest(request, response, true));
  server.on("connect", (_request, socket) => {
    const error = new HttpRequestError("method_not_allowed", "this is not a forward proxy: CONNECT is not served here");
    refuseSocket(handler, socket, error);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const serveError = parseError(error);
    if (serveError === undefined || hasBegunAnswer(socket)) socket.destroy();
    else refuseSocket(handler, socket, serveError);
  });
  return {
    listen: (address) => listen(server, address),
    drain() {
      state.isDraining = true;
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      });
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server, address: { host: string; port: number }): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, () => {
      server.off("error", reject);
      resolve({ host: address.host, port: (server.address() as AddressInfo).port });
    });
  });
}

/** One request of node:http. */
class NodeExchange implements HttpExchange {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly cancellation = new Cancellation();
  readonly refusal: ServeError | undefined;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #front: FrontState;
  readonly #mustContinue: boolean;
  #heldBytes = 0;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    { front, mustContinue }: { readonly front: FrontState; readonly mustContinue: boolean },
  ) {
    this.#request = request;
    this.#response = response;
    this.#front = front;
    this.#mustContinue = mustContinue;
    this.method = request.method ?? "GET";
    this.headers = request.rawHeaders;
    const url = request.url ?? "/";
    const absolute = url.startsWith("/") ? undefined : readAbsoluteForm(url, request);
    this.target = absolute?.target ?? url;
    this.refusal = refusalOf(this.headers, request.httpVersionMinor === 0) ?? absolute?.refusal;
    response.sendDate = false;
    response.on("close", () => {
      if (!response.writableFinished) this.cancellation.cancel(new CancelledError("the client went away"));
    });
  }

  readBody(mostBytes: number): Promise<readonly Uint8Array[]> {
    const length = this.#bodyLength();
    const isWanted = length === "chunked" || (length > 0 && length <= mostBytes);
    if (this.#mustContinue && isWanted) this.#response.writeContinue();
    return readBody(this.#request, { length, mostBytes, hold: (bytes) => this.#hold(bytes) });
  }

  answer({ status, headers, body }: HttpAnswer): void {
    const response = this.#response;
    if (response.headersSent || response.destroyed) return;
    if (this.refusal !== undefined || this.#front.isDraining) response.shouldKeepAlive = false;
    // A client that was told to wait for a 100 and never got it would send its body as the next request.
    if (this.#mustContinue && !this.#request.complete && this.#request.readableFlowing === null) {
      response.shouldKeepAlive = false;
    }
    const hasBody = status !== 204 && status !== 304;
    let bytes = 0;
    for (const part of body) bytes += part.byteLength;
    const isHead = this.method === "HEAD";
    if (hasBody && !(isHead && bytes === 0)) response.writeHead(status, [...headers, "content-length", String(bytes)]);
    else response.writeHead(status, headers as string[]);
    if (!hasBody || isHead || bytes === 0) response.end();
    else if (bytes <= ONE_WRITE_BYTES) response.end(latin1(body), "latin1");
    else {
      response.cork();
      for (const part of body) response.write(part);
      response.end();
      response.uncork();
    }
    this.#watchReader();
  }

  /** The request has ended: its body is held no longer. */
  release(): void {
    this.#front.heldBytes -= this.#heldBytes;
    this.#heldBytes = 0;
  }

  #hold(bytes: number): boolean {
    if (this.#front.heldBytes + bytes > this.#front.mostHeldBytes) return false;
    this.#front.heldBytes += bytes;
    this.#heldBytes += bytes;
    return true;
  }

  /** Cuts off a client that does not read its answer. */
  #watchReader(): void {
    const { socket } = this.#response;
    if (socket === null || socket.writableLength === 0) return;
    socket.setTimeout(READER_STALL_MS);
    // Before Node's own listener, which sets the time-out of the idle connection.
    this.#response.prependOnceListener("finish", () => socket.setTimeout(0));
  }

  #bodyLength(): BodyLength {
    const { headers } = this.#request;
    if (headers["transfer-encoding"] !== undefined) return "chunked";
    return headers["content-length"] === undefined ? 0 : Number(headers["content-length"]);
  }
}

/** Small bodies as the text that node:http puts behind the head in the same write. */
function latin1(body: readonly Uint8Array[]): string {
  let text = "";
  for (const part of body) text += Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString("latin1");
  return text;
}

/** `http://authority/path` is served by its path where the authority is this server; another one is never dialled. */
function readAbsoluteForm(url: string, request: IncomingMessage): { target: string; refusal: ServeError | undefined } {
  const found = /^https?:\/\/([^/?#]*)(.*)$/is.exec(url);
  if (found === null) return { target: url, refusal: new InvalidRequestError("the request's target is not a path") };
  const [, authority = "", rest = ""] = found;
  const target = rest.startsWith("/") ? rest : `/${rest}`;
  if (isOurs(authority.toLowerCase(), request)) return { target, refusal: undefined };
  const error = new HttpRequestError(
    "misdirected_request",
    "this server does not answer for the host in the request's target",
  );
  return { target, refusal: error };
}

function isOurs(authority: string, { socket }: IncomingMessage): boolean {
  const found = /^(\[[\da-f:.]+\]|[^:@[\]]+)(?::(\d+))?$/.exec(authority);
  if (found === null) return false;
  const [, host = "", port = "80"] = found;
  if (Number(port) !== socket.localPort) return false;
  const local = (socket.localAddress ?? "").replace(/^::ffff:/, "");
  const isLoopback = local === "::1" || local.startsWith("127.");
  return host === local || host === `[${local}]` || (isLoopback && host === "localhost");
}

/** What a parse error or time-out is told the client as; undefined: nobody is there to be told. */
function parseError(error: NodeJS.ErrnoException): ServeError | undefined {
  switch (error.code) {
    case "ECONNRESET":
    case "EPIPE":
      return undefined;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new HttpRequestError("request_timeout", "the request did not arrive in time");
    case "HPE_HEADER_OVERFLOW":
      return new HttpRequestError("headers_too_large", `the request's head has more than ${MOST_HEADER_BYTES} bytes`);
    default:
      return new InvalidRequestError("these bytes are not a valid HTTP/1.1 request");
  }
}

function refuseSocket(handler: ExchangeHandler, socket: Duplex, error: ServeError): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, text } = rawErrorAnswer(error);
  handler.onRefused(status);
  socket.end(text, () => socket.destroy());
}

/** Whether part of an answer has left on it: nothing may be put behind that. */
function hasBegunAnswer(socket: Duplex): boolean {
  const response = (socket as Duplex & { readonly _httpMessage?: ServerResponse | null })._httpMessage;
  return response?.headersSent === true;
}
