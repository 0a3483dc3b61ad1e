/**
 * What users import as `thornback`. It reaches `core` and `batching` only: defining a deployment loads neither gRPC nor a
 * model runtime.
 */
export { application } from "./application.ts";
export type { AccessKeyOptions, Application, ApplicationOptions, CorsOptions } from "./application.ts";
export { batch } from "./batch.ts";
export type { BatchMethod, BatchOptions } from "./batch.ts";
export type { BatchMethodLimits, BatchSuitOptions } from "./batch-method.ts";
export { requestContext } from "./context.ts";
export type { RequestContext, SetupContext } from "./context.ts";
export type {
  AutoscalingOptions,
  PolicyInput,
  PolicyResult,
  RolloutOptions,
  Scores,
  VerifyInput,
} from "./control-functions.ts";
export { deployment } from "./deployment.ts";
export type { Bound, Deployment, DeploymentOptions, FetchFunction } from "./deployment.ts";
export { fromNode } from "./from-node.ts";
export type { NodeHandler } from "./from-node.ts";
export type { Handle } from "./handle.ts";
export { models } from "./models.ts";
export type { Models, ModelsOptions } from "./models.ts";
export { secret } from "./secret.ts";
export type { Secret } from "./secret.ts";
export type { ServerWebSocket } from "./server-web-socket.ts";
export { streamEnd, streamingBatch } from "./streaming-batch.ts";
export type { StreamingBatchMethod, StreamingBatchOptions, StreamingBatchStep } from "./streaming-batch.ts";
export type { CallOptions } from "../core/call.ts";
export {
  CancelledError,
  DeadlineExceededError,
  DeploymentUnavailableError,
  HandlerError,
  InvalidRequestError,
  InvalidSpecError,
  ModelError,
  NotFoundError,
  PayloadTooLargeError,
  PermissionDeniedError,
  QueueFullError,
  RateLimitedError,
  ReplicaLostError,
  ServeError,
  UnauthenticatedError,
} from "../core/error.ts";
export type { ErrorCode, ErrorDetails, Problem } from "../core/error.ts";
