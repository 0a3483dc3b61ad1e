import { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * One web-standard request, answered by a handler of Node's own kind without a port. The request's body is handed over
 * whole, and the answer is gathered whole. What must not happen: a handler that ends without `end()` leaving the caller
 * waiting, so a destroyed answer, a throw and a rejection all end the request.
 */

/** Statuses whose answers have no body. */
const BODILESS = new Set([204, 205, 304]);

/** What Fastify (`app.routing`), Express (the application itself), Nest and `http.createServer` have in common. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Hands a request to a handler, and gathers its answer. Rejects with what the handler threw. */
export async function exchangeWithNode(handler: NodeHandler, request: Request): Promise<Response> {
  const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
  const incoming = incomingMessage(request, body);
  const outgoing = new GatheredResponse(incoming);
  const onAbort = (): void => {
    incoming.destroy();
    outgoing.destroy();
  };
  request.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const ended = outgoing.ended();
    // What the handler returns is not awaited once it has answered: many answer first and tidy up afterwards.
    const handled = Promise.resolve(handler(incoming, outgoing));
    await Promise.race([ended, handled.then(() => ended)]);
    return outgoing.toResponse();
  } finally {
    request.signal.removeEventListener("abort", onAbort);
  }
}

/** A socket that leads nowhere: bytes written to it are dropped, because {@link GatheredResponse} has them already. */
class NowhereSocket extends Duplex {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 0;
  readonly remoteFamily = "IPv4";
  readonly encrypted: boolean;

  constructor(isEncrypted: boolean) {
    super();
    this.encrypted = isEncrypted;
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: BufferEncoding, callback: () => void): void {
    callback();
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** A response that keeps what is written to it. */
class GatheredResponse extends ServerResponse {
  readonly #chunks: Uint8Array[] = [];

  constructor(request: IncomingMessage) {
    super(request);
    this.sendDate = false;
    this.assignSocket(request.socket);
  }

  /** Headers given here would go straight to the socket and never be seen by `getHeaders`. */
  override writeHead(statusCode: number, ...rest: unknown[]): this {
    const statusMessage = typeof rest[0] === "string" ? rest[0] : undefined;
    for (const [name, value] of headerPairs(statusMessage === undefined ? rest[0] : rest[1]))
      this.setHeader(name, value);
    return statusMessage === undefined ? super.writeHead(statusCode) : super.writeHead(statusCode, statusMessage);
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    this.#keep(chunk, rest[0]);
    return Reflect.apply(super.write, this, [chunk, ...rest]) as boolean;
  }

  override end(...args: unknown[]): this {
    const [chunk, encoding] = args;
    if (chunk !== undefined && chunk !== null && typeof chunk !== "function") this.#keep(chunk, encoding);
    // Node's own end() writes its chunk without going through write(), so nothing is kept twice.
    return Reflect.apply(super.end, this, args) as this;
  }

  /** Resolves when the handler has ended the answer; rejects when it was destroyed before. */
  ended(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.writableFinished) {
        resolve();
        return;
      }
      this.once("finish", () => resolve());
      this.once("close", () => reject(new Error("the handler closed its answer before it had ended")));
      this.once("error", reject);
    });
  }

  toResponse(): Response {
    const headers = new Headers();
    for (const [name, value] of Object.entries(this.getHeaders())) {
      if (value === undefined || name === "transfer-encoding" || name === "connection" || name === "keep-alive")
        continue;
      for (const one of Array.isArray(value) ? value : [value]) headers.append(name, String(one));
    }
    const hasBody = !BODILESS.has(this.statusCode) && this.req.method !== "HEAD";
    const body = hasBody ? Buffer.concat(this.#chunks) : null;
    return new Response(body, { status: this.statusCode, statusText: this.statusMessage ?? "", headers });
  }

  #keep(chunk: unknown, encoding: unknown): void {
    if (typeof chunk === "string") {
      this.#chunks.push(Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8"));
    } else if (chunk instanceof Uint8Array) {
      this.#chunks.push(chunk.slice());
    }
  }
}

/** Headers as `writeHead` takes them: a record, a list of pairs, or names and values by turns. */
function headerPairs(headers: unknown): readonly (readonly [string, string | readonly string[]])[] {
  if (typeof headers !== "object" || headers === null) return [];
  if (!Array.isArray(headers)) return Object.entries(headers).filter(([, value]) => value !== undefined);
  if (Array.isArray(headers[0])) return headers as [string, string][];
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([String(headers[at]), String(headers[at + 1])]);
  return pairs;
}

function incomingMessage(request: Request, body: Uint8Array | undefined): IncomingMessage {
  const url = new URL(request.url);
  const socket = new NowhereSocket(url.protocol === "https:") as Duplex as Socket;
  const incoming = new IncomingMessage(socket);
  incoming.httpVersion = "1.1";
  incoming.httpVersionMajor = 1;
  incoming.httpVersionMinor = 1;
  incoming.method = request.method;
  incoming.url = url.pathname + url.search;
  const headers: Record<string, string> = {};
  for (const [name, value] of request.headers) headers[name] = value;
  headers["host"] ??= url.host;
  // The body arrives whole, so its length is known however it travelled.
  delete headers["transfer-encoding"];
  if (body !== undefined) headers["content-length"] = String(body.byteLength);
  incoming.headers = headers;
  incoming.rawHeaders = Object.entries(headers).flat();
  if (body !== undefined && body.byteLength > 0) incoming.push(body);
  incoming.push(null);
  incoming.complete = true;
  return incoming;
}
