/**
 * Every error a user or another process can see. `code` is the contract: it never changes meaning, and the HTTP status,
 * gRPC status and retry rule follow from it alone (`error-map.ts`). A message says what happened, to which object, and
 * what to do next; it never repeats the user's payload.
 */
export type ErrorCode =
  | "invalid_request"
  | "invalid_spec"
  | "unauthenticated"
  | "permission_denied"
  | "route_not_found"
  | "deployment_not_found"
  | "node_not_found"
  | "version_not_found"
  | "version_conflict"
  | "route_conflict"
  | "replicas_out_of_bounds"
  | "application_deleting"
  | "no_rollout"
  | "method_not_allowed"
  | "request_timeout"
  | "unsupported_media_type"
  | "misdirected_request"
  | "headers_too_large"
  | "payload_too_large"
  | "rate_limited"
  | "cancelled"
  | "handler_failed"
  | "model_failed"
  | "internal"
  | "not_supported"
  | "replica_lost"
  | "replica_draining"
  | "replica_overloaded"
  | "queue_full"
  | "deployment_unavailable"
  | "deadline_exceeded";

/** One thing wrong in an input, with the path to it (`pixels[3]`, `deployments.Gateway.numReplicas`; `` for the whole). */
export type Problem = { readonly path: string; readonly message: string };

/** What an error may carry beside its message. Plain JSON; crosses the wire. */
export type ErrorDetails = {
  readonly problems?: readonly Problem[];
  /** Whole seconds for `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** Methods for `Allow`. */
  readonly allow?: readonly string[];
  /** HTTP status that the user's own error asked for (400–599). */
  readonly status?: number;
  /** Class name, code and stack of the user's own error, mapped to the user's sources. */
  readonly remote?: { readonly name: string; readonly code?: string; readonly stack?: string };
};

/** What a ServeError is made from. */
export type ServeErrorOptions = { readonly details?: ErrorDetails; readonly cause?: unknown };

const MARK = Symbol.for("thornback.ServeError");

/** Base of all errors that cross a boundary of the system. */
export class ServeError extends Error {
  override readonly name: string = "ServeError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly [MARK] = true;

  constructor(code: ErrorCode, message: string, options: ServeErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** True for ServeErrors of another copy of this package too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== ServeError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && MARK in value;
  }

  /** At a boundary: keeps a ServeError, wraps anything else as our own bug. */
  static from(thrown: unknown): ServeError {
    if (thrown instanceof ServeError) return thrown;
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    return new InternalError(`unexpected error: ${text}`, { cause: thrown });
  }
}

/** The caller's input is wrong; `details.problems` lists everything that is. */
export class InvalidRequestError extends ServeError {
  override readonly name = "InvalidRequestError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("invalid_request", message, options);
  }
}

/** An application, option or configuration file is wrong; `details.problems` lists everything that is. */
export class InvalidSpecError extends ServeError {
  override readonly name = "InvalidSpecError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("invalid_spec", message, options);
  }
}

/** No credentials, or unknown ones. */
export class UnauthenticatedError extends ServeError {
  override readonly name = "UnauthenticatedError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("unauthenticated", message, options);
  }
}

/** Known or not, the caller may not do this. */
export class PermissionDeniedError extends ServeError {
  override readonly name = "PermissionDeniedError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("permission_denied", message, options);
  }
}

/** Nothing is served under that path or name. */
export class NotFoundError extends ServeError {
  override readonly name = "NotFoundError";
  constructor(
    code: "route_not_found" | "deployment_not_found" | "node_not_found" | "version_not_found",
    message: string,
    options?: ServeErrorOptions,
  ) {
    super(code, message, options);
  }
}

type ChangeRefusedCode = "replicas_out_of_bounds" | "application_deleting" | "no_rollout";

/** A change by hand that the application's own state does not allow. */
export class ChangeRefusedError extends ServeError {
  override readonly name = "ChangeRefusedError";
  constructor(code: ChangeRefusedCode, message: string, options?: ServeErrorOptions) {
    super(code, message, options);
  }
}

/** Two deploys raced; read the status and deploy again. */
export class VersionConflictError extends ServeError {
  override readonly name = "VersionConflictError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("version_conflict", message, options);
  }
}

/** The route prefix belongs to another application. */
export class RouteConflictError extends ServeError {
  override readonly name = "RouteConflictError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("route_conflict", message, options);
  }
}

/** An HTTP request that is well understood and refused. */
export class HttpRequestError extends ServeError {
  override readonly name = "HttpRequestError";
  constructor(
    code:
      | "method_not_allowed"
      | "request_timeout"
      | "unsupported_media_type"
      | "misdirected_request"
      | "headers_too_large",
    message: string,
    options?: ServeErrorOptions,
  ) {
    super(code, message, options);
  }
}

/** A body over `maxRequestBodyBytes`. */
export class PayloadTooLargeError extends ServeError {
  override readonly name = "PayloadTooLargeError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("payload_too_large", message, options);
  }
}

/** A key has used up its share; `details.retryAfterSeconds` says when there is some again. */
export class RateLimitedError extends ServeError {
  override readonly name = "RateLimitedError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("rate_limited", message, options);
  }
}

/** The caller went away or asked to stop. */
export class CancelledError extends ServeError {
  override readonly name = "CancelledError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("cancelled", message, options);
  }
}

/** The user's code threw; `details.remote` has its class and stack. */
export class HandlerError extends ServeError {
  override readonly name = "HandlerError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("handler_failed", message, options);
  }
}

/** A model could not be loaded or run. */
export class ModelError extends ServeError {
  override readonly name = "ModelError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("model_failed", message, options);
  }
}

/** A bug of ours. */
export class InternalError extends ServeError {
  override readonly name = "InternalError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("internal", message, options);
  }
}

/** Understood, and not built. */
export class NotSupportedError extends ServeError {
  override readonly name = "NotSupportedError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("not_supported", message, options);
  }
}

/** The replica died after it had begun; the request may or may not have taken effect. */
export class ReplicaLostError extends ServeError {
  override readonly name = "ReplicaLostError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("replica_lost", message, options);
  }
}

/** The replica took nothing: it drains, or all its slots are taken. Always safe to try elsewhere. */
export class ReplicaRefusedError extends ServeError {
  override readonly name = "ReplicaRefusedError";
  constructor(code: "replica_draining" | "replica_overloaded", message: string, options?: ServeErrorOptions) {
    super(code, message, options);
  }
}

/** `maxQueuedRequests` are waiting already. */
export class QueueFullError extends ServeError {
  override readonly name = "QueueFullError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("queue_full", message, options);
  }
}

/** No ready replica, and none on its way. */
export class DeploymentUnavailableError extends ServeError {
  override readonly name = "DeploymentUnavailableError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("deployment_unavailable", message, options);
  }
}

/** The request's deadline passed. */
export class DeadlineExceededError extends ServeError {
  override readonly name = "DeadlineExceededError";
  constructor(message: string, options?: ServeErrorOptions) {
    super("deadline_exceeded", message, options);
  }
}
