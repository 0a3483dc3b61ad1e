import type { ErrorCode } from "./error.ts";

/** When a router may send a request that ended so to another replica. */
export type RetryRule =
  /** The answer would be the same, or the caller is gone. */
  | "never"
  /** The replica took nothing. */
  | "always"
  /** The handler may have begun: only if the deployment or the call is declared idempotent. */
  | "ifIdempotent";

/** What follows from an error's code, in every protocol. */
export type ErrorMapping = {
  readonly http: number;
  readonly title: string;
  /** Canonical gRPC status number. */
  readonly grpc: number;
  readonly retry: RetryRule;
};

/** The single table. Codes never change meaning; 499 is only ever logged, because nobody is there to read it. */
export const ERROR_MAP: Readonly<Record<ErrorCode, ErrorMapping>> = {
  invalid_request: { http: 400, title: "Invalid request", grpc: 3, retry: "never" },
  invalid_spec: { http: 400, title: "Invalid specification", grpc: 3, retry: "never" },
  unauthenticated: { http: 401, title: "Unauthenticated", grpc: 16, retry: "never" },
  permission_denied: { http: 403, title: "Permission denied", grpc: 7, retry: "never" },
  route_not_found: { http: 404, title: "Route not found", grpc: 5, retry: "never" },
  deployment_not_found: { http: 404, title: "Deployment not found", grpc: 5, retry: "never" },
  node_not_found: { http: 404, title: "Node not found", grpc: 5, retry: "never" },
  version_not_found: { http: 404, title: "Version not found", grpc: 5, retry: "never" },
  version_conflict: { http: 409, title: "Version conflict", grpc: 10, retry: "never" },
  route_conflict: { http: 409, title: "Route conflict", grpc: 6, retry: "never" },
  replicas_out_of_bounds: { http: 409, title: "Replicas out of bounds", grpc: 11, retry: "never" },
  no_rollout: { http: 409, title: "No rollout", grpc: 9, retry: "never" },
  application_deleting: { http: 412, title: "Application deleting", grpc: 9, retry: "never" },
  method_not_allowed: { http: 405, title: "Method not allowed", grpc: 3, retry: "never" },
  request_timeout: { http: 408, title: "Request timeout", grpc: 3, retry: "never" },
  unsupported_media_type: { http: 415, title: "Unsupported media type", grpc: 3, retry: "never" },
  misdirected_request: { http: 421, title: "Misdirected request", grpc: 3, retry: "never" },
  headers_too_large: { http: 431, title: "Request header fields too large", grpc: 3, retry: "never" },
  payload_too_large: { http: 413, title: "Payload too large", grpc: 8, retry: "never" },
  rate_limited: { http: 429, title: "Rate limited", grpc: 8, retry: "never" },
  cancelled: { http: 499, title: "Cancelled", grpc: 1, retry: "never" },
  handler_failed: { http: 500, title: "Handler failed", grpc: 2, retry: "never" },
  model_failed: { http: 500, title: "Model failed", grpc: 13, retry: "never" },
  internal: { http: 500, title: "Internal error", grpc: 13, retry: "never" },
  not_supported: { http: 501, title: "Not supported", grpc: 12, retry: "never" },
  replica_lost: { http: 502, title: "Replica lost", grpc: 14, retry: "ifIdempotent" },
  replica_draining: { http: 503, title: "Replica draining", grpc: 14, retry: "always" },
  replica_overloaded: { http: 503, title: "Replica overloaded", grpc: 14, retry: "always" },
  queue_full: { http: 503, title: "Queue full", grpc: 8, retry: "never" },
  deployment_unavailable: { http: 503, title: "Deployment unavailable", grpc: 14, retry: "never" },
  deadline_exceeded: { http: 504, title: "Deadline exceeded", grpc: 4, retry: "never" },
};
