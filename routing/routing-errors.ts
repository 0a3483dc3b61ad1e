import {
  DeadlineExceededError,
  DeploymentUnavailableError,
  NotFoundError,
  QueueFullError,
  type ServeError,
} from "../core/error.ts";
import type { Version } from "../core/ids.ts";
import type { DeploymentEntry } from "../core/table.ts";

/** When a client may try again after a failed start; the next attempt is seconds away. */
const RETRY_AFTER_FAILED_SECONDS = 5;

/**
 * Refusals come by the thousand when there is no time for them. Their stacks, which only name the router, are an eighth of what
 * they cost.
 */
function withoutStack<E extends ServeError>(make: () => E): E {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** What a request was for: a deployment, or the version of it that it asked for. */
function named({ id }: DeploymentEntry, version: Version | undefined): string {
  return version === undefined ? id : `version ${version} of ${id}`;
}

/** Its deadline passed, in the queue or at a replica. `version`: which one it asked for itself. */
export function deadlineError(entry: DeploymentEntry, version?: Version, cause?: ServeError): DeadlineExceededError {
  const text = `${named(entry, version)} gave no answer in time: raise the time limit, or add replicas if requests queue`;
  return new DeadlineExceededError(text, cause === undefined ? {} : { cause });
}

/** Its deadline would pass in the queue. */
export function tooLateError({ id }: DeploymentEntry, aheadCount: number, waitMs: number): DeadlineExceededError {
  const wait = `${aheadCount} requests wait before it, which takes about ${Math.ceil(waitMs / 1_000)} s`;
  const text = `${id} could not answer in time: ${wait}. Try again later, or add replicas`;
  return withoutStack(() => new DeadlineExceededError(text));
}

/** The queue is full, or a request of a higher priority took the last place in it. */
export function queueFullError(
  { id }: DeploymentEntry,
  queuedCount: number,
  retryAfterSeconds: number,
): QueueFullError {
  const text = `${queuedCount} requests wait for ${id} already: try again later, or add replicas`;
  return withoutStack(() => new QueueFullError(text, { details: { retryAfterSeconds } }));
}

/** Nothing can take requests, and nothing is on its way. `version`: which one it asked for itself. */
export function unavailableError(entry: DeploymentEntry, version?: Version): DeploymentUnavailableError {
  const { reason } = entry;
  const why = reason === "" ? "its replicas failed to start" : reason;
  const text = `${named(entry, version)} has no replica that can take requests: ${why}. See \`serve status\``;
  return new DeploymentUnavailableError(text, { details: { retryAfterSeconds: RETRY_AFTER_FAILED_SECONDS } });
}

/** The deployment has left the table. */
export function removedError({ id }: DeploymentEntry): NotFoundError {
  const text = `deployment ${id} was deleted while a request waited: \`serve status\` lists those there are`;
  return new NotFoundError("deployment_not_found", text);
}
