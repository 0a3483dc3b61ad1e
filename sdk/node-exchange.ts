import { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * One web-standard request, answered by a handler of Node's own kind without a port. The request's body is handed over
 * whole. An answer that ends in the turn in which it began is gathered whole; one that goes on is a stream from there:
 *
 *     gathering ── end() ──▶ answered, whole
 *        └── written to, and not ended a turn later ──▶ streaming ── end() ──▶ ended     ── destroyed, failed ──▶ broken off
 *
 * What must not happen: a handler that ends without `end()` leaving the caller waiting, so a destroyed answer, a throw
 * and a rejection all end the request.
 */

/** What may lie in a streaming answer unread before `write` asks its handler to wait for `drain`. */
const MOST_UNREAD_BYTES = 64 * 1024;

/** Statuses whose answers have no body. */
const BODILESS = new Set([204, 205, 304]);

/** What Fastify (`app.routing`), Express (the application itself), Nest and `http.createServer` have in common. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Hands a request to a handler. Resolves with its answer, which may go on; rejects with what the handler threw. */
export async function exchangeWithNode(handler: NodeHandler, request: Request): Promise<Response> {
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  const bytes = hasBody ? new Uint8Array(await request.arrayBuffer()) : undefined;
  const incoming = incomingMessage(request, bytes?.byteLength === 0 ? undefined : bytes);
  const outgoing = new PassedResponse(incoming);
  const { signal } = request;
  const onAbort = (): void => outgoing.giveUp();
  signal.addEventListener("abort", onAbort, { once: true });
  for (const event of ["finish", "close"]) outgoing.once(event, () => signal.removeEventListener("abort", onAbort));
  const handle = async (): Promise<unknown> => handler(incoming, outgoing);
  // What the handler returns is not awaited: many answer first and tidy up afterwards.
  handle().catch((error: unknown) => outgoing.fail(error));
  return await outgoing.answered;
}

/** A socket that leads nowhere: bytes written to it are dropped, because {@link PassedResponse} has them already. */
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

/** A response that keeps what is written to it, or passes it on once it streams. */
class PassedResponse extends ServerResponse {
  readonly #chunks: Uint8Array[] = [];
  readonly #answered = Promise.withResolvers<Response>();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #isOpening = false;
  #isOver = false;
  #isHeld = false;

  constructor(request: IncomingMessage) {
    super(request);
    this.sendDate = false;
    this.assignSocket(request.socket);
    this.once("finish", () => this.#finish());
    this.once("close", () => this.fail(new Error("the handler closed its answer before it had ended")));
    this.once("error", (error) => this.fail(error));
  }

  /** The answer, as soon as it is whole or goes on. */
  get answered(): Promise<Response> {
    return this.#answered.promise;
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
    this.#openLater();
    const hasRoom = Reflect.apply(super.write, this, [chunk, ...rest]) as boolean;
    if (this.#controller === undefined) return hasRoom;
    this.#isHeld = (this.#controller.desiredSize ?? 0) <= 0;
    return !this.#isHeld;
  }

  override flushHeaders(): void {
    super.flushHeaders();
    this.#openLater();
  }

  override end(...args: unknown[]): this {
    const [chunk, encoding] = args;
    if (chunk !== undefined && chunk !== null && typeof chunk !== "function") this.#keep(chunk, encoding);
    // Node's own end() writes its chunk without going through write(), so nothing is kept twice.
    return Reflect.apply(super.end, this, args) as this;
  }

  /** Nobody waits for the answer any more: request and answer are closed, as when a socket goes. */
  giveUp(): void {
    this.req.destroy();
    this.destroy();
  }

  /** It ends here, with an error, unless it has ended already. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#answered.reject(error);
    this.#controller?.error(error);
    if (this.#controller !== undefined) this.giveUp();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#controller === undefined) this.#answered.resolve(this.#toResponse(Buffer.concat(this.#chunks)));
    else this.#controller.close();
  }

  #openLater(): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    setImmediate(() => {
      if (!this.writableEnded && !this.#isOver && this.#hasBody)
        this.#answered.resolve(this.#toResponse(this.#stream()));
    });
  }

  #stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          for (const chunk of this.#chunks.splice(0)) controller.enqueue(chunk);
        },
        pull: () => {
          if (!this.#isHeld) return;
          this.#isHeld = false;
          this.emit("drain");
        },
        cancel: () => {
          this.#isOver = true;
          this.giveUp();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MOST_UNREAD_BYTES }),
    );
  }

  get #hasBody(): boolean {
    return !BODILESS.has(this.statusCode) && this.req.method !== "HEAD";
  }

  #toResponse(body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>): Response {
    const headers = new Headers();
    for (const [name, value] of Object.entries(this.getHeaders())) {
      if (value === undefined || name === "transfer-encoding" || name === "connection" || name === "keep-alive")
        continue;
      for (const one of Array.isArray(value) ? value : [value]) headers.append(name, String(one));
    }
    const content = this.#hasBody ? (body as BodyInit) : null;
    return new Response(content, { status: this.statusCode, statusText: this.statusMessage ?? "", headers });
  }

  #keep(chunk: unknown, encoding: unknown): void {
    let bytes: Uint8Array;
    if (typeof chunk === "string") {
      bytes = Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
    } else if (chunk instanceof Uint8Array) bytes = new Uint8Array(chunk);
    else return;
    if (this.#controller === undefined) this.#chunks.push(bytes);
    else if (!this.#isOver) this.#controller.enqueue(bytes);
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
