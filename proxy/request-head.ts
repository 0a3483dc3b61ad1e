import { HttpRequestError, InvalidRequestError, type ServeError } from "../core/error.ts";
import { MOST_HEADERS, MOST_PRIORITY } from "../core/limits.ts";
import { isModelId, MODEL_ID_HEADER, MODEL_ID_RULE } from "../core/model-id.ts";
import { SESSION_KEY_HEADER } from "../core/session-key.ts";

/** What a proxy reads from a request's headers, and what of them goes on to the replica. */
export type ProxyHead = {
  /** Names in lower case and values by turns, without those that are meant for this connection only. */
  readonly forwarded: string[];
  /** As the client gave it; empty when it gave none, or none that can be echoed. */
  readonly requestId: string;
  /** Well-formed W3C trace context, or empty. */
  readonly traceparent: string;
  /** Text of `x-thornback-timeout-ms`; undefined without. */
  readonly timeout: string | undefined;
  /** Text of `x-thornback-priority`; undefined without. */
  readonly priority: string | undefined;
  /** `x-session-id`: requests of one session are for one replica, where the deployment wants that. Empty without. */
  readonly key: string;
  /** Text of `x-thornback-model-id`; undefined without. */
  readonly modelId: string | undefined;
};

/** Headers of one hop (RFC 9110 §7.6.1), and those that this hop itself answers or replaces. */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
  "x-request-id",
  "x-thornback-timeout-ms",
  // The proxy itself speaks WebSocket with the client; the replica gets messages.
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-extensions",
  "sec-websocket-accept",
]);

/** What a `Connection` header may not name: the request would mean something else without them. */
const END_TO_END: ReadonlySet<string> = new Set(["host", "content-length", "content-type", "content-encoding"]);

/** A bit for each length that a name which is looked at has: most names have another, and need no look-up. */
const READ_LENGTHS = lengthBits([
  ...NOT_FORWARDED,
  "traceparent",
  SESSION_KEY_HEADER,
  "x-thornback-priority",
  MODEL_ID_HEADER,
]);
const DROPPED_LENGTHS = lengthBits([...NOT_FORWARDED, "x-thornback-version", "content-length"]);

/** Reads a request's headers in one pass. */
export function readProxyHead(headers: readonly string[]): ProxyHead {
  const forwarded: string[] = [];
  let requestId = "";
  let traceparent = "";
  let timeout: string | undefined;
  let priority: string | undefined;
  let key = "";
  let modelId: string | undefined;
  let connection = "";
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const lower = (headers[at] ?? "").toLowerCase();
    const value = headers[at + 1] ?? "";
    if (!hasBit(READ_LENGTHS, lower.length) || !NOT_FORWARDED.has(lower)) {
      forwarded.push(lower, value);
      if (lower === SESSION_KEY_HEADER) key = value;
      // The replica reads these two as well, and of several it reads the first.
      else if (lower === "x-thornback-priority") priority ??= value;
      else if (lower === MODEL_ID_HEADER) modelId ??= value;
      else if (lower === "traceparent" && /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(value))
        traceparent = value;
    } else if (lower === "connection") {
      // Nearly all say one of these, and so name nothing.
      if (value !== "keep-alive" && value !== "close") connection += `,${value.toLowerCase()}`;
    } else if (lower === "x-request-id") {
      if (/^[!-~]{1,128}$/.test(value)) requestId = value;
    } else if (lower === "x-thornback-timeout-ms") timeout = value;
  }
  const kept = connection === "" ? forwarded : withoutNamed(forwarded, connection);
  return { forwarded: kept, requestId, traceparent, timeout, priority, key, modelId };
}

/** Milliseconds until the deadline: the deployment's limit, or less where the client asks for less. */
export function timeoutOf(head: ProxyHead, requestTimeoutMs: number): number {
  if (head.timeout === undefined) return requestTimeoutMs;
  const asked = /^\d{1,10}$/.test(head.timeout) ? Number(head.timeout) : 0;
  if (asked === 0)
    throw new InvalidRequestError("x-thornback-timeout-ms is not a whole number of milliseconds above 0");
  return Math.min(asked, requestTimeoutMs);
}

/** How urgent a request is among those that wait for its deployment: 0 unless the client says otherwise. */
export function priorityOf({ priority: text }: ProxyHead): number {
  if (text === undefined) return 0;
  const priority = /^[+-]?\d{1,2}$/.test(text) ? Number(text) : Infinity;
  if (Math.abs(priority) > MOST_PRIORITY) {
    throw new InvalidRequestError(
      `x-thornback-priority is not a whole number between -${MOST_PRIORITY} and ${MOST_PRIORITY}`,
    );
  }
  return priority;
}

/** Which of a deployment's models a request is for; empty unless the client says. */
export function modelIdOf({ modelId }: ProxyHead): string {
  if (modelId === undefined) return "";
  if (!isModelId(modelId)) throw new InvalidRequestError(`${MODEL_ID_HEADER} is not ${MODEL_ID_RULE}`);
  return modelId;
}

/** What the front must look at before anything else does: what is ambiguous, or more than can be passed on. */
export function refusalOf(headers: readonly string[], isHttp10: boolean): ServeError | undefined {
  if (headers.length > 2 * MOST_HEADERS) {
    return new HttpRequestError("headers_too_large", `the request has more than ${MOST_HEADERS} headers`);
  }
  let hosts = 0;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    // Lengths first: lower-casing every name of every request is the dearest part of this loop.
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
    else if (isHttp10 && name.length === 17 && name.toLowerCase() === "transfer-encoding") {
      return new InvalidRequestError("HTTP/1.0 has no transfer-encoding: send content-length, or HTTP/1.1");
    }
  }
  if (hosts > 1) return new InvalidRequestError("the request has more than one host header");
  if (hosts === 0 && !isHttp10) return new InvalidRequestError("the request has no host header");
  return undefined;
}

/** Headers of an answer as they may leave the proxy: nothing of the replica's connection, nothing that the proxy says itself. */
export function answerHeaders(headers: readonly string[], isLengthKept: boolean): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? "";
    if (hasBit(DROPPED_LENGTHS, name.length)) {
      const lower = name.toLowerCase();
      if (NOT_FORWARDED.has(lower) || lower === "x-thornback-version") continue;
      if (lower === "content-length" && !isLengthKept) continue;
    }
    kept.push(name, headers[at + 1] ?? "");
  }
  return kept;
}

function withoutNamed(forwarded: string[], connection: string): string[] {
  const named = new Set(connection.split(",").map((name) => name.trim()));
  const kept: string[] = [];
  for (let at = 0; at + 1 < forwarded.length; at += 2) {
    const name = forwarded[at] ?? "";
    if (!named.has(name) || END_TO_END.has(name)) kept.push(name, forwarded[at + 1] ?? "");
  }
  return kept;
}

/** Names have fewer than 31 characters here. */
function lengthBits(names: readonly string[]): number {
  let bits = 0;
  for (const name of names) bits |= 1 << name.length;
  return bits;
}

function hasBit(bits: number, length: number): boolean {
  return length < 31 && ((bits >> length) & 1) === 1;
}
