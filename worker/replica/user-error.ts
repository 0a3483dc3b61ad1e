import { inspect } from "node:util";
import { ModelLoadError } from "../../session/session.ts";
import { HandlerError, ServeError, type ErrorDetails } from "../../core/error.ts";
import { describeLocation, userFrame } from "../../core/user-frame.ts";

/** Part of an error's text that is kept; enough for any message, not for a payload somebody put into one. */
const MOST_MESSAGE_CHARACTERS = 2_000;
const MOST_STACK_CHARACTERS = 8_000;

/** The user's place in an error's stack, relative to the application's folder: `app.ts:8:14`; empty without one. */
export function locationOf(error: unknown, applicationDir: string): string {
  return error instanceof Error ? describeLocation(userFrame(error.stack ?? ""), applicationDir) : "";
}

/** Says what failed in one line: class, message and place; ours without the class, which says nothing to a user. */
export function describeError(error: unknown, applicationDir: string): string {
  if (!(error instanceof Error)) {
    const text = typeof error === "string" ? error : inspect(error, { depth: 1 });
    return `${text.slice(0, MOST_MESSAGE_CHARACTERS)} was thrown, which is no Error`;
  }
  const head = error instanceof ServeError ? error.message : `${nameOf(error)}: ${error.message}`;
  const cause =
    error.cause instanceof Error && !head.includes(error.cause.message) ? `, caused by ${error.cause.message}` : "";
  const place = error instanceof ModelLoadError ? "" : locationOf(error, applicationDir);
  const text = `${head}${cause}`.slice(0, MOST_MESSAGE_CHARACTERS);
  return place === "" || text.includes(place) ? text : `${text} (${place})`;
}

function nameOf(error: Error): string {
  const name: unknown = error.constructor?.name;
  return typeof name === "string" && name !== "" && name !== "Error" ? name : error.name;
}

/**
 * What user code threw, as a ServeError: one of ours stays what it is, anything else becomes a HandlerError with its
 * class, code and stack for whoever calls through a handle. A whole number `status` from 400 to 599 is kept.
 */
export function toServeError(thrown: unknown): ServeError {
  if (thrown instanceof ServeError) return thrown;
  if (!(thrown instanceof Error)) {
    return new HandlerError(`user code threw ${typeof thrown}, not an Error`, { cause: thrown });
  }
  const { status, code } = thrown as { status?: unknown; code?: unknown };
  const hasStatus = Number.isInteger(status) && (status as number) >= 400 && (status as number) <= 599;
  const details: ErrorDetails = {
    ...(hasStatus ? { status: status as number } : {}),
    remote: {
      name: nameOf(thrown),
      ...(typeof code === "string" || typeof code === "number" ? { code: String(code) } : {}),
      ...(thrown.stack === undefined ? {} : { stack: thrown.stack.slice(0, MOST_STACK_CHARACTERS) }),
    },
  };
  return new HandlerError(thrown.message.slice(0, MOST_MESSAGE_CHARACTERS), { details, cause: thrown });
}

/**
 * The error as an HTTP client may see it. What a user's error says is only for the client when it names a status: a
 * message may hold anything. The log has the rest, under the request's id.
 */
export function forClient(error: ServeError, subject: string, requestId: string): ServeError {
  if (error.code !== "handler_failed" || error.details.status !== undefined) return error;
  const { remote } = error.details;
  const named =
    remote === undefined
      ? {}
      : { remote: { name: remote.name, ...(remote.code === undefined ? {} : { code: remote.code }) } };
  return new HandlerError(`${subject} failed; its log has the cause under request ${requestId}`, {
    details: named,
    cause: error,
  });
}
