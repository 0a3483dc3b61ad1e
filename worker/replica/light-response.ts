/**
 * A web-standard Response whose body is text or bytes, kept as what it was made of.
 *
 * The engine's own class makes a stream of every body, which then has to be read: 31 µs for a kilobyte of JSON, of which
 * making the text is 4. In a replica `new Response(text)` and `Response.json(value)` give a light one instead, with the
 * same prototype chain; as soon as more is asked of it than its status, headers and content, a native one is made that
 * answers all else. Whatever is out of the ordinary (another kind of body, a header that has to be refused or
 * tidied) is the engine's from the start, so that its rules and errors hold.
 */
import type { Answer } from "../../proto/exchange.ts";

const NativeResponse = globalThis.Response;

/** Statuses whose answers have no body: the engine refuses one. */
const BODILESS = new Set([101, 103, 204, 205, 304]);
const HEADER_NAME = /^[\w!#$%&'*+\-.^`|~]+$/;
/** A header's value, or a status text: without space at either end, which would have to be taken off. */
const HEADER_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

type Content = string | Uint8Array<ArrayBuffer> | undefined;

/** The fields that are read for nearly every answer; the rest is filled in below. */
class LightResponse {
  readonly #content: Content;
  readonly #status: number;
  readonly #statusText: string;
  /** Names in lower case and values by turns. */
  readonly #pairs: readonly string[];
  #headers: Headers | undefined;
  #native: Response | undefined;

  constructor(content: Content, status: number, statusText: string, pairs: readonly string[]) {
    this.#content = content;
    this.#status = status;
    this.#statusText = statusText;
    this.#pairs = pairs;
  }

  /** The answer that `value` is, where it is a light response whose content nobody has touched. */
  static answerOf(value: object): Answer | undefined {
    if (!(#content in value) || value.#native !== undefined) return undefined;
    const content = value.#content;
    const body = content === undefined ? [] : [typeof content === "string" ? Buffer.from(content) : content];
    const headers = value.#headers === undefined ? value.#pairs : [...value.#headers].flat();
    return { status: value.#status, headers, body };
  }

  get status(): number {
    return this.#status;
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299;
  }

  get headers(): Headers {
    return this.#native?.headers ?? (this.#headers ??= toHeaders(this.#pairs));
  }

  get bodyUsed(): boolean {
    return this.#native?.bodyUsed ?? false;
  }

  get native(): Response {
    const { status, headers } = this;
    const statusText = this.#statusText;
    return (this.#native ??= new NativeResponse(this.#content ?? null, { status, statusText, headers }));
  }
}

complete();

/** Gives the class the rest of what a native Response has, and its place in the prototype chain. */
function complete(): void {
  const prototype = LightResponse.prototype as object;
  for (const name of Object.getOwnPropertyNames(NativeResponse.prototype)) {
    if (Object.hasOwn(prototype, name)) continue;
    const isMethod = Object.getOwnPropertyDescriptor(NativeResponse.prototype, name)?.get === undefined;
    const ask = (response: LightResponse): unknown => (response.native as unknown as Record<string, unknown>)[name];
    const descriptor: PropertyDescriptor = isMethod
      ? {
          value(this: LightResponse, ...args: unknown[]): unknown {
            return Reflect.apply(ask(this) as (...args: unknown[]) => unknown, this.native, args);
          },
          writable: true,
        }
      : {
          get(this: LightResponse): unknown {
            return ask(this);
          },
        };
    Object.defineProperty(prototype, name, { ...descriptor, configurable: true });
  }
  Reflect.deleteProperty(prototype, "constructor");
  Object.setPrototypeOf(prototype, NativeResponse.prototype);
}

/** The answer that a light response is, at once; undefined for a native one, or one that has become native. */
export function lightAnswer(response: Response): Answer | undefined {
  return LightResponse.answerOf(response);
}

/** Lets the global `Response` make light ones. Done once a process; everything else stays as it is. */
export function adoptLightResponses(): void {
  if (globalThis.Response !== NativeResponse) return;
  // A function, not a class: its prototype is the native one, so `instanceof` means the same with either.
  function Response(this: unknown, body?: BodyInit | null, init?: ResponseInit): object {
    if (new.target === undefined) throw new TypeError("Class constructor Response cannot be invoked without 'new'");
    if (new.target !== (Response as unknown))
      return Reflect.construct(NativeResponse, [body, init], new.target) as object;
    return lightResponse(body, init, "text/plain;charset=UTF-8") ?? new NativeResponse(body, init);
  }
  const json = (value: unknown, init?: ResponseInit): object => {
    const text: unknown = JSON.stringify(value);
    const light = typeof text === "string" ? lightResponse(text, init, "application/json") : undefined;
    return light ?? NativeResponse.json(value, init);
  };
  Object.setPrototypeOf(Response, NativeResponse);
  Object.defineProperty(Response, "prototype", { value: NativeResponse.prototype, writable: false });
  Object.defineProperty(Response, "json", { value: json, configurable: true, writable: true });
  globalThis.Response = Response as unknown as typeof NativeResponse;
}

/** undefined: this one is for the engine. */
function lightResponse(body: unknown, init: ResponseInit | undefined, contentType: string): LightResponse | undefined {
  const isText = typeof body === "string";
  const isBytes = body instanceof Uint8Array;
  if (!isText && !isBytes && body !== undefined && body !== null) return undefined;
  const { status = 200, statusText = "", headers } = init ?? {};
  if (!Number.isInteger(status) || status < 200 || status > 599 || BODILESS.has(status)) return undefined;
  if (typeof statusText !== "string" || !HEADER_VALUE.test(statusText)) return undefined;
  const pairs = headerPairs(headers);
  if (pairs === undefined) return undefined;
  if (isText && !hasName(pairs, "content-type")) pairs.push("content-type", contentType);
  // A copy: the standard lets the caller use its memory again at once.
  const content = isBytes ? new Uint8Array(body) : isText ? body : undefined;
  return new LightResponse(content, status, statusText, pairs);
}

/** Headers as names and values by turns; undefined where the engine should look at them. */
function headerPairs(headers: HeadersInit | undefined): string[] | undefined {
  const pairs: string[] = [];
  if (headers === undefined) return pairs;
  if (headers instanceof Headers) {
    for (const [name, value] of headers) pairs.push(name, value);
    return pairs;
  }
  const prototype: unknown = Object.getPrototypeOf(headers);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  for (const [name, value] of Object.entries(headers as Readonly<Record<string, unknown>>)) {
    const lower = name.toLowerCase();
    if (typeof value !== "string" || !HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) return undefined;
    if (hasName(pairs, lower)) return undefined;
    pairs.push(lower, value);
  }
  return pairs;
}

function hasName(pairs: readonly string[], name: string): boolean {
  for (let at = 0; at < pairs.length; at += 2) if (pairs[at] === name) return true;
  return false;
}

function toHeaders(pairs: readonly string[]): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < pairs.length; at += 2) headers.append(pairs[at] as string, pairs[at + 1] as string);
  return headers;
}
