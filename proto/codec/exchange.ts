import {
  CancelledError,
  ChangeRefusedError,
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
  RateLimitedError,
  ReplicaLostError,
  ReplicaRefusedError,
  RouteConflictError,
  UnauthenticatedError,
  VersionConflictError,
  type ErrorCode,
  type ErrorDetails,
  type ServeError,
  type ServeErrorOptions,
} from "../../core/error.ts";
import { ERROR_MAP } from "../../core/error-map.ts";
import type { RequestId } from "../../core/ids.ts";
import { MOST_FRAME_HEAD_BYTES, MOST_TOLD_MODELS } from "../../core/limits.ts";
import type { CallRequestHead, HttpRequestHead, RequestHead } from "../exchange.ts";
import { FRAME_VERSION } from "../frame/frame.ts";

/**
 * Heads of frames: latin-1 fields, each on a line of its own. HTTP's header values are latin-1 already and hold no line
 * breaks, so the head of a request costs one `join` here and one `split` there. Fields that may hold any text are
 * percent-encoded.
 *
 *     REQUEST  http | socket | call, request id, milliseconds left, depth, trace context, length of a streaming body, then
 *              http, socket: method, path, prefix, names and values of headers by turns
 *              call: method, key, model id, priority
 *     ANSWER   status, ongoing requests of the replica, length of a streaming body, then names and values of headers
 *     ERROR    code, ongoing requests of the replica                             body: JSON of message and details
 *     HELLO    version, replica id, secret, link, which connection of it
 *     WELCOME  version, ongoing requests of the replica
 *     PONG     ongoing requests of the replica
 *     CREDIT   bytes
 *     MODELS   ids of models, most recently used first; empty: none
 *
 * A length is empty where it is not known, or the body is whole.
 */

/** A request's head before it is sent; how long it has left is only known then. */
export type OutgoingHead = Omit<HttpRequestHead, "timeoutMs"> | Omit<CallRequestHead, "timeoutMs">;

/**
 * Head of a REQUEST.
 *
 * What of it comes from outside is safe already: method, path and headers passed an HTTP parser, which lets no line break,
 * NUL or character beyond latin-1 through; every other text is checked where it comes in, or escaped here.
 *
 * @param timeoutMs what is left until the deadline.
 * @param length of a body that streams, where it is known.
 * @throws {HttpRequestError} when it is too long.
 */
export function requestHeadToWire(head: OutgoingHead, timeoutMs: number, length?: number): string {
  const { kind, requestId, depth, traceparent } = head;
  const leftMs = Math.max(0, Math.ceil(timeoutMs));
  // Joined once: text that grows by `+=` is a chain of pieces that is flattened when it is written (measured: dearer).
  const fields = [
    kind,
    requestId,
    String(leftMs),
    String(depth),
    traceparent,
    length === undefined ? "" : String(length),
  ];
  if (head.kind === "call") {
    fields.push(escapeText(head.method), escapeText(head.key), escapeText(head.modelId), String(head.priority));
  } else {
    fields.push(head.method, head.path, escapeText(head.prefix));
    for (const field of head.headers) fields.push(field);
  }
  const text = fields.join("\n");
  if (text.length > MOST_FRAME_HEAD_BYTES) {
    throw new HttpRequestError(
      "headers_too_large",
      `the request's headers have more than ${MOST_FRAME_HEAD_BYTES} bytes`,
    );
  }
  return text;
}

const CALL_FIELDS = 10;
const HTTP_FIELDS = 9;

/**
 * The request that a REQUEST's head is of, and the length of its body where that streams and it is known.
 *
 * @throws {InvalidRequestError} when it is none.
 */
export function requestHeadFromWire(text: string): { readonly head: RequestHead; readonly length: number | undefined } {
  const fields = text.split("\n");
  const [kind, requestId = "", timeout, depth, traceparent = "", lengthText = "", method = "", second = ""] = fields;
  const common = { requestId: requestId as RequestId, timeoutMs: Number(timeout), depth: Number(depth), traceparent };
  const length = lengthText === "" ? undefined : Number(lengthText);
  const third = unescapeText(fields[8] ?? "");
  if (!Number.isFinite(common.timeoutMs) || !Number.isInteger(common.depth)) throw unreadable("request");
  if (length !== undefined && !(Number.isSafeInteger(length) && length >= 0)) throw unreadable("request");
  if ((kind === "http" || kind === "socket") && fields.length >= HTTP_FIELDS && fields.length % 2 === 1) {
    const head = { kind, ...common, method, path: second, prefix: third, headers: fields.slice(HTTP_FIELDS) } as const;
    return { head, length };
  }
  const priority = Number(fields[9]);
  if (kind === "call" && fields.length === CALL_FIELDS && Number.isFinite(priority)) {
    const [name, key] = [unescapeText(method), unescapeText(second)];
    return { head: { kind, ...common, method: name, key, modelId: third, priority }, length };
  }
  throw unreadable("request");
}

/** What an ANSWER's head says. */
export type AnswerHead = {
  readonly status: number;
  readonly headers: readonly string[];
  /** Of a body that streams, where it is known. */
  readonly length: number | undefined;
  /** Requests that its replica had when it sent it. */
  readonly ongoing: number;
};

/**
 * Head of an ANSWER.
 *
 * @throws {HandlerError} when a header holds what HTTP does not allow, or all of them are too long.
 */
export function answerHeadToWire({ status, headers, length, ongoing }: AnswerHead): string {
  let text = `${status}\n${ongoing}\n${length ?? ""}`;
  for (const field of headers) text += `\n${field}`;
  if (!isSafe(text, ANSWER_FIELDS + headers.length) || headers.length % 2 !== 0) {
    throw new HandlerError(`the answer's ${unsafeField(headers)} holds a character that HTTP does not allow`);
  }
  if (text.length > MOST_FRAME_HEAD_BYTES) {
    throw new HandlerError(
      `the answer's headers have ${text.length} bytes; at most ${MOST_FRAME_HEAD_BYTES} can be sent`,
    );
  }
  return text;
}

const ANSWER_FIELDS = 3;

/**
 * What an ANSWER's head says.
 *
 * @throws {InternalError} when it is no answer's head.
 */
export function answerHeadFromWire(text: string): AnswerHead {
  const fields = text.split("\n");
  const status = Number(fields[0]);
  const ongoing = Number(fields[1]);
  const length = fields[2] === "" ? undefined : Number(fields[2]);
  const isStatus = Number.isInteger(status) && status >= 100 && status <= 599;
  const isLength = length === undefined || (Number.isSafeInteger(length) && length >= 0);
  if (!isStatus || !isLength || !Number.isInteger(ongoing) || fields.length % 2 === 0) {
    throw new InternalError("a replica's answer cannot be read: are router and replica of the same release?");
  }
  return { status, headers: fields.slice(ANSWER_FIELDS), length, ongoing };
}

/** Head and body of an ERROR. The cause stays behind: it is for this process's log. */
export function errorToWire(error: ServeError, ongoing: number): { head: string; body: Uint8Array[] } {
  return { head: `${error.code}\n${ongoing}`, body: [Buffer.from(errorText(error))] };
}

function errorText({ message, details }: ServeError): string {
  try {
    return JSON.stringify({ message, details });
  } catch {
    // User code may put anything into the details of an error of ours: a cycle, a bigint. The error itself must arrive.
    return JSON.stringify({ message, details: {} });
  }
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

/** Which of a link's two connections: `main` carries small frames, `bulk` large bodies. */
export type LinkPart = "main" | "bulk";

/** What a HELLO says: which replica a router wants, the proof that it may call it, and which connection this is. */
export type Hello = {
  readonly replicaId: string;
  readonly callSecret: string;
  /** Made anew by the router for each attempt; its two connections say the same. */
  readonly linkId: string;
  readonly part: LinkPart;
};

/** Head of a HELLO. */
export function helloToWire({ replicaId, callSecret, linkId, part }: Hello): string {
  return `${FRAME_VERSION}\n${escapeText(replicaId)}\n${escapeText(callSecret)}\n${escapeText(linkId)}\n${part}`;
}

/** Undefined when it is no HELLO of this version. */
export function helloFromWire(text: string): Hello | undefined {
  const [version, replicaId, callSecret, linkId, part, ...more] = text.split("\n");
  if (version !== FRAME_VERSION || more.length > 0 || (part !== "main" && part !== "bulk")) return undefined;
  if (replicaId === undefined || callSecret === undefined || linkId === undefined) return undefined;
  try {
    return {
      replicaId: unescapeText(replicaId),
      callSecret: unescapeText(callSecret),
      linkId: unescapeText(linkId),
      part,
    };
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

/** Head of a MODELS frame: the first MOST_TOLD_MODELS of these ids. */
export function modelsToWire(modelIds: readonly string[]): string {
  return modelIds.slice(0, MOST_TOLD_MODELS).map(escapeText).join("\n");
}

/** Undefined when it is no MODELS frame's head. */
export function modelsFromWire(head: string): string[] | undefined {
  if (head === "") return [];
  const fields = head.split("\n");
  if (fields.length > MOST_TOLD_MODELS) return undefined;
  try {
    return fields.map(unescapeText);
  } catch {
    return undefined;
  }
}

/** The number that is all of a CREDIT's or a PONG's head; undefined when it is none. */
export function countFromWire(text: string): number | undefined {
  const count = Number(text);
  return text !== "" && Number.isSafeInteger(count) && count >= 0 ? count : undefined;
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
    case "node_not_found":
    case "version_not_found":
      return new NotFoundError(code, message, options);
    case "version_conflict":
      return new VersionConflictError(message, options);
    case "route_conflict":
      return new RouteConflictError(message, options);
    case "replicas_out_of_bounds":
    case "application_deleting":
    case "no_rollout":
      return new ChangeRefusedError(code, message, options);
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
    case "rate_limited":
      return new RateLimitedError(message, options);
  }
}
