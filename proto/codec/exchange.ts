import {
  CancelledError,
  DeadlineExceededError,
  DeploymentUnavailableError,
  HandlerError,
  HttpRequestError,
  InternalError,
  InvalidRequestError,
  InvalidSpecError,
  ModelError,
  NotFoundError,
  NotSupportedError,
  PayloadTooLargeError,
  PermissionDeniedError,
  QueueFullError,
  ReplicaLostError,
  ReplicaRefusedError,
  RouteConflictError,
  ServeError,
  UnauthenticatedError,
  VersionConflictError,
  type ErrorCode,
  type ErrorDetails,
  type ServeErrorOptions,
} from "../../core/error.ts";
import { ERROR_MAP } from "../../core/error-map.ts";
import type { ReplicaId, RequestId } from "../../core/ids.ts";
import { MOST_FRAME_HEAD_BYTES } from "../../core/limits.ts";
import type { Answer, CallRequestHead, HttpRequestHead, RequestHead } from "../exchange.ts";
import { FRAME_VERSION } from "../frame/frame.ts";

/**
 * Heads of frames: latin-1 fields, each on a line of its own. HTTP's header values are latin-1 already and hold no line
 * breaks, so the head of a request costs one `join` here and one `split` there. Fields that may hold any text are
 * percent-encoded.
 *
 *     REQUEST  http | call, request id, milliseconds left, depth, trace context, then
 *              http: method, path, prefix, names and values of headers by turns
 *              call: method, key, model id, priority
 *     ANSWER   status, ongoing requests of the replica, names and values of headers by turns
 *     ERROR    code, ongoing requests of the replica                             body: JSON of message and details
 *     HELLO    version, replica id, secret
 *     WELCOME  version, ongoing requests of the replica
 */

/** A request's head before it is sent; how long it has left is only known then. */
export type OutgoingHead = Omit<HttpRequestHead, "timeoutMs"> | Omit<CallRequestHead, "timeoutMs">;

/**
 * Head of a REQUEST.
 *
 * @param timeoutMs what is left until the deadline.
 * @throws {InvalidRequestError} when a field holds what a head cannot.
 * @throws {HttpRequestError} when it is too long.
 */
export function requestHeadToWire(head: OutgoingHead, timeoutMs: number): string {
  const { requestId, depth, traceparent } = head;
  const fields = [head.kind, requestId, String(Math.max(0, Math.ceil(timeoutMs))), String(depth), traceparent];
  if (head.kind === "http") {
    fields.push(head.method, head.path, escapeText(head.prefix));
    for (const field of head.headers) fields.push(field);
  } else {
    fields.push(escapeText(head.method), escapeText(head.key), escapeText(head.modelId), String(head.priority));
  }
  const text = fields.join("\n");
  if (!isSafe(text, fields.length)) {
    throw new InvalidRequestError(`the request's ${unsafeField(fields)} holds a character that cannot be sent`);
  }
  if (text.length > MOST_FRAME_HEAD_BYTES) {
    throw new HttpRequestError(
      "headers_too_large",
      `the request's headers have more than ${MOST_FRAME_HEAD_BYTES} bytes`,
    );
  }
  return text;
}

/**
 * The request that a REQUEST's head is of.
 *
 * @throws {InvalidRequestError} when it is none.
 */
export function requestHeadFromWire(text: string): RequestHead {
  const fields = text.split("\n");
  const [kind, requestId = "", timeout, depth, traceparent = "", method = "", second = "", third = "", fourth] = fields;
  const common = { requestId: requestId as RequestId, timeoutMs: Number(timeout), depth: Number(depth), traceparent };
  if (!Number.isFinite(common.timeoutMs) || !Number.isInteger(common.depth)) throw unreadable("request");
  if (kind === "http" && fields.length >= 8 && fields.length % 2 === 0) {
    const prefix = unescapeText(third);
    return { kind, ...common, method, path: second, prefix, headers: fields.slice(8) };
  }
  if (kind === "call" && fields.length === 9 && Number.isFinite(Number(fourth))) {
    const [name, key, modelId] = [unescapeText(method), unescapeText(second), unescapeText(third)];
    return { kind, ...common, method: name, key, modelId, priority: Number(fourth) };
  }
  throw unreadable("request");
}

/**
 * Head of an ANSWER.
 *
 * @throws {HandlerError} when a header holds what HTTP does not allow, or all of them are too long.
 */
export function answerHeadToWire(answer: Answer, ongoing: number): string {
  const fields = [String(answer.status), String(ongoing), ...answer.headers];
  const text = fields.join("\n");
  if (!isSafe(text, fields.length) || fields.length % 2 !== 0) {
    throw new HandlerError(`the answer's ${unsafeField(fields)} holds a character that HTTP does not allow`);
  }
  if (text.length > MOST_FRAME_HEAD_BYTES) {
    throw new HandlerError(
      `the answer's headers have ${text.length} bytes; at most ${MOST_FRAME_HEAD_BYTES} can be sent`,
    );
  }
  return text;
}

/**
 * The answer, and how many requests its replica had when it sent it.
 *
 * @throws {InternalError} when it is no answer's head.
 */
export function answerFromWire(text: string, body: Uint8Array): { answer: Answer; ongoing: number } {
  const fields = text.split("\n");
  const status = Number(fields[0]);
  const ongoing = Number(fields[1]);
  const isStatus = Number.isInteger(status) && status >= 100 && status <= 599;
  if (!isStatus || !Number.isInteger(ongoing) || fields.length % 2 !== 0) {
    throw new InternalError("a replica's answer cannot be read: are router and replica of the same release?");
  }
  return { answer: { status, headers: fields.slice(2), body: body.byteLength === 0 ? [] : [body] }, ongoing };
}

/** Head and body of an ERROR. The cause stays behind: it is for this process's log. */
export function errorToWire(error: ServeError, ongoing: number): { head: string; body: Uint8Array[] } {
  const { message, details } = error;
  return { head: `${error.code}\n${ongoing}`, body: [Buffer.from(JSON.stringify({ message, details }))] };
}

/** The error of an ERROR, as the class that its code belongs to, and the replica's ongoing requests. */
export function errorFromWire(head: string, body: Uint8Array): { error: ServeError; ongoing: number } {
  const [code = "", ongoingText] = head.split("\n");
  const ongoing = Number(ongoingText);
  try {
    const { message, details } = JSON.parse(Buffer.from(body).toString()) as { message: unknown; details: unknown };
    if (
      Object.hasOwn(ERROR_MAP, code) &&
      typeof message === "string" &&
      typeof details === "object" &&
      details !== null
    ) {
      const error = errorOfCode(code as ErrorCode, message, { details: details as ErrorDetails });
      const remoteStack = error.details.remote?.stack;
      // The stack of this side ends in our own reading of the socket; the one that tells something was sent along.
      if (typeof remoteStack === "string") error.stack = `${error.name}: ${remoteStack}`;
      return { error, ongoing: Number.isInteger(ongoing) ? ongoing : 0 };
    }
  } catch (cause) {
    return { error: new InternalError("a replica's error cannot be read", { cause }), ongoing: 0 };
  }
  return { error: new InternalError("a replica sent an error of an unknown kind"), ongoing: 0 };
}

/** Head of a HELLO: which replica a router wants, and the proof that it may call it. */
export function helloToWire(replicaId: ReplicaId, callSecret: string): string {
  return `${FRAME_VERSION}\n${escapeText(replicaId)}\n${escapeText(callSecret)}`;
}

/** Undefined when it is no HELLO of this version. */
export function helloFromWire(head: string): { replicaId: string; callSecret: string } | undefined {
  const [version, replicaId, callSecret, ...more] = head.split("\n");
  if (version !== FRAME_VERSION || replicaId === undefined || callSecret === undefined || more.length > 0)
    return undefined;
  try {
    return { replicaId: unescapeText(replicaId), callSecret: unescapeText(callSecret) };
  } catch {
    return undefined;
  }
}

/** Head of a WELCOME. */
export function welcomeToWire(ongoing: number): string {
  return `${FRAME_VERSION}\n${ongoing}`;
}

/** Undefined when it is no WELCOME of this version. */
export function welcomeFromWire(head: string): { ongoing: number } | undefined {
  const [version, ongoing] = head.split("\n");
  return version === FRAME_VERSION && Number.isInteger(Number(ongoing)) ? { ongoing: Number(ongoing) } : undefined;
}

/** No NUL, no CR, nothing beyond latin-1, and no line break but those between the fields. */
function isSafe(text: string, fieldCount: number): boolean {
  if (/[\0\r\u0100-\uffff]/.test(text)) return false;
  let breaks = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) breaks++;
  return breaks === fieldCount - 1;
}

/** Which field is to blame: a header's name, where it is a header's; never its value. */
function unsafeField(fields: readonly string[]): string {
  const at = fields.findIndex((field) => !isSafe(field, 1));
  const name = fields[at % 2 === 0 ? at : at - 1];
  return name !== undefined && /^[\w-]+$/.test(name) ? `header ${JSON.stringify(name)}` : "head";
}

/** Printable ASCII stays as it is, the rest is percent-encoded. */
function escapeText(text: string): string {
  return /^[!-$&-~]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

function unescapeText(text: string): string {
  try {
    return text.includes("%") ? decodeURIComponent(text) : text;
  } catch (cause) {
    throw unreadable("request", cause);
  }
}

function unreadable(what: string, cause?: unknown): InvalidRequestError {
  const options = cause === undefined ? {} : { cause };
  return new InvalidRequestError(`a ${what} cannot be read: are router and replica of the same release?`, options);
}

function errorOfCode(code: ErrorCode, message: string, options: ServeErrorOptions): ServeError {
  switch (code) {
    case "invalid_request":
      return new InvalidRequestError(message, options);
    case "invalid_spec":
      return new InvalidSpecError(message, options);
    case "unauthenticated":
      return new UnauthenticatedError(message, options);
    case "permission_denied":
      return new PermissionDeniedError(message, options);
    case "route_not_found":
    case "deployment_not_found":
      return new NotFoundError(code, message, options);
    case "version_conflict":
      return new VersionConflictError(message, options);
    case "route_conflict":
      return new RouteConflictError(message, options);
    case "method_not_allowed":
    case "request_timeout":
    case "unsupported_media_type":
    case "misdirected_request":
    case "headers_too_large":
      return new HttpRequestError(code, message, options);
    case "payload_too_large":
      return new PayloadTooLargeError(message, options);
    case "cancelled":
      return new CancelledError(message, options);
    case "handler_failed":
      return new HandlerError(message, options);
    case "model_failed":
      return new ModelError(message, options);
    case "internal":
      return new InternalError(message, options);
    case "not_supported":
      return new NotSupportedError(message, options);
    case "replica_lost":
      return new ReplicaLostError(message, options);
    case "replica_draining":
    case "replica_overloaded":
      return new ReplicaRefusedError(code, message, options);
    case "queue_full":
      return new QueueFullError(message, options);
    case "deployment_unavailable":
      return new DeploymentUnavailableError(message, options);
    case "deadline_exceeded":
      return new DeadlineExceededError(message, options);
    default:
      // rate_limited has no class of its own: nothing here limits rates.
      return new ServeError(code, message, options);
  }
}
