/**
 * A web-standard Request that costs next to nothing until more of it is asked for than most code asks for.
 *
 *     light ── text(), json(), bytes() … ──▶ read
 *        └── body, clone(), new Request(request), fetch(request) … ──▶ native: all else is the native Request's
 *
 * The engine's own class parses a URL, makes an AbortSignal, a Headers and a stream for every request: 22 µs, and 4 more
 * to read JSON. Ours has the same prototype chain, so `instanceof Request` holds. What only a native one can do (whoever
 * looks for the engine's private fields) is done by one made at that moment: `Request` and `fetch` of the global
 * object are replaced by functions that see to it, and are the engine's own in everything else.
 */
import type { Cancellation } from "../../core/cancellation.ts";
import { InvalidRequestError } from "../../core/error.ts";
import { bytesOf } from "../../proto/body-bytes.ts";
import { isStream, type Body } from "../../proto/body.ts";
import type { HttpRequestHead } from "../../proto/exchange.ts";
import { readableOf } from "./readable-body.ts";
import { headersOf } from "./request.ts";

const NativeRequest = globalThis.Request;
const nativeFetch = globalThis.fetch;
const decoder = new TextDecoder();

/** Methods that the web's Request refuses: they are about connections, not about resources. */
const FORBIDDEN_METHOD = /^(?:CONNECT|TRACE|TRACK)$/i;
/** What URL parsing leaves as it is; a dot segment (`/.`) is resolved by it. */
const PLAIN_PATH = /^\/[\w!$&()*+,\-.:;=@~%/]*(?:\?[\w!$&()*+,\-.;=@~%/?:]*)?$/;

/** The fields that are read for nearly every request; the rest is filled in below. */
class LightRequest {
  readonly #head: HttpRequestHead;
  readonly #body: Body;
  readonly #cancellation: Cancellation;
  readonly #hasBody: boolean;
  #url: string | undefined;
  #headers: Headers | undefined;
  #isRead = false;
  #native: Request | undefined;

  constructor(head: HttpRequestHead, body: Body, cancellation: Cancellation) {
    this.#head = head;
    this.#body = body;
    this.#cancellation = cancellation;
    this.#hasBody = (isStream(body) || body.length > 0) && head.method !== "GET" && head.method !== "HEAD";
  }

  /** The native Request where `value` is one of ours, made now if need be; any other value as it is. */
  static toNative(value: unknown): unknown {
    return typeof value === "object" && value !== null && #head in value ? value.native : value;
  }

  get method(): string {
    return this.#head.method;
  }

  get url(): string {
    return (this.#url ??= urlOf(this.#head));
  }

  get headers(): Headers {
    return (this.#headers ??= requestHeaders(this.#head));
  }

  get signal(): AbortSignal {
    return this.#cancellation.signal;
  }

  get bodyUsed(): boolean {
    return this.#native?.bodyUsed ?? this.#isRead;
  }

  get native(): Request {
    return (this.#native ??= this.#toNative());
  }

  /** All of the body, once. */
  async read(): Promise<Uint8Array> {
    if (this.#native !== undefined) return new Uint8Array(await this.#native.arrayBuffer());
    if (!this.#hasBody) return new Uint8Array(0);
    if (this.#isRead) throw new TypeError("Body is unusable: Body has already been read");
    this.#isRead = true;
    return await bytesOf(this.#body);
  }

  #toNative(): Request {
    const { method, headers, signal } = this;
    if (!this.#hasBody) return new NativeRequest(this.url, { method, headers, signal });
    const body = this.#isRead ? "read" : isStream(this.#body) ? readableOf(this.#body) : ownBytes(bytesNow(this.#body));
    const init: RequestInit & { duplex: "half" } = { method, headers, signal, body, duplex: "half" };
    const native = new NativeRequest(this.url, init);
    // Used is used, in the native one too.
    if (this.#isRead) void native.body?.cancel();
    return native;
  }
}

/** Ways to read a body, over its bytes. */
const READERS: Readonly<Record<string, (bytes: Uint8Array, request: LightRequest) => unknown>> = {
  text: (bytes) => decoder.decode(bytes),
  json: (bytes) => JSON.parse(decoder.decode(bytes)) as unknown,
  bytes: ownBytes,
  arrayBuffer: (bytes) => ownBytes(bytes).buffer,
  blob: (bytes, { headers }) => new Blob([ownBytes(bytes)], { type: headers.get("content-type") ?? "" }),
};

complete();

/** Gives the class the rest of what a native Request has, and its place in the prototype chain. */
function complete(): void {
  const prototype = LightRequest.prototype as object;
  for (const [name, read] of Object.entries(READERS)) {
    async function value(this: LightRequest): Promise<unknown> {
      return read(await this.read(), this);
    }
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  }
  for (const name of Object.getOwnPropertyNames(NativeRequest.prototype)) {
    if (Object.hasOwn(prototype, name)) continue;
    const isMethod = Object.getOwnPropertyDescriptor(NativeRequest.prototype, name)?.get === undefined;
    const ask = (request: LightRequest): unknown => (request.native as unknown as Record<string, unknown>)[name];
    const descriptor: PropertyDescriptor = isMethod
      ? { value: methodOfNative(ask), writable: true }
      : { get: getterOfNative(ask) };
    Object.defineProperty(prototype, name, { ...descriptor, configurable: true });
  }
  Reflect.deleteProperty(prototype, "constructor");
  Object.setPrototypeOf(prototype, NativeRequest.prototype);
}

type Ask = (request: LightRequest) => unknown;

function methodOfNative(ask: Ask): unknown {
  return function (this: LightRequest, ...args: unknown[]): unknown {
    return Reflect.apply(ask(this) as (...args: unknown[]) => unknown, this.native, args);
  };
}

function getterOfNative(ask: Ask): () => unknown {
  return function (this: LightRequest): unknown {
    return ask(this);
  };
}

/**
 * A web-standard Request for an ingress: the path below the prefix, which stands in `x-forwarded-prefix`. Its body is
 * received when it is asked for.
 *
 * @throws {InvalidRequestError} for a method that no Request may have.
 */
export function toRequest(head: HttpRequestHead, body: Body, cancellation: Cancellation): Request {
  if (FORBIDDEN_METHOD.test(head.method)) {
    throw new InvalidRequestError(`the method ${head.method} cannot be handled here`);
  }
  return new LightRequest(head, body, cancellation) as unknown as Request;
}

/** Lets the global `Request` and `fetch` take light requests. Done once a process; everything else stays as it is. */
export function adoptLightRequests(): void {
  if (globalThis.Request !== NativeRequest) return;
  // A function, not a class: its prototype is the native one, so `instanceof` means the same with either.
  function Request(this: unknown, input: RequestInfo | URL, init?: RequestInit): object {
    if (new.target === undefined) throw new TypeError("Class constructor Request cannot be invoked without 'new'");
    const target: unknown = new.target === (Request as unknown) ? NativeRequest : new.target;
    return Reflect.construct(
      NativeRequest,
      [LightRequest.toNative(input), init],
      target as typeof NativeRequest,
    ) as object;
  }
  Object.setPrototypeOf(Request, NativeRequest);
  Object.defineProperty(Request, "prototype", { value: NativeRequest.prototype, writable: false });
  globalThis.Request = Request as unknown as typeof NativeRequest;
  if (globalThis.fetch !== nativeFetch) return;
  globalThis.fetch = function fetch(input, init) {
    return nativeFetch(LightRequest.toNative(input) as RequestInfo | URL, init);
  };
}

/** Memory that holds these bytes and nothing else: a view of more may be of what others read. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const isAlone = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer;
  if (isAlone && !Buffer.isBuffer(bytes)) return bytes as Uint8Array<ArrayBuffer>;
  return isAlone ? new Uint8Array(bytes.buffer as ArrayBuffer) : new Uint8Array(bytes);
}

function bytesNow(body: readonly Uint8Array[]): Uint8Array {
  return body.length === 1 ? (body[0] as Uint8Array) : Buffer.concat(body);
}

function requestHeaders(head: HttpRequestHead): Headers {
  const headers = headersOf(head.headers);
  headers.set("x-forwarded-prefix", head.prefix);
  return headers;
}

/** The origin of the last host: nearly all requests name the same one. */
let lastOrigin = { host: "", origin: "http://localhost" };

function urlOf({ headers, path }: HttpRequestHead): string {
  let host = "";
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] as string;
    if (name.length === 4 && name.toLowerCase() === "host") host = headers[at + 1] as string;
  }
  if (host !== lastOrigin.host) lastOrigin = { host, origin: originOf(host) };
  const url = lastOrigin.origin + path;
  return PLAIN_PATH.test(path) && !path.includes("/.") && !path.includes("%2") ? url : new URL(url).href;
}

function originOf(host: string): string {
  const url = URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`) : undefined;
  const isHost = url !== undefined && url.pathname === "/" && url.search === "" && url.username === "";
  return isHost ? url.origin : "http://localhost";
}
