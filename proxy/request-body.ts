import type { IncomingMessage } from "node:http";
import { CancelledError, PayloadTooLargeError, QueueFullError, type ServeError } from "../core/error.ts";
import { MOST_DISCARDED_BYTES } from "../core/limits.ts";

/** How long a request's body is: a number where it was declared, `chunked`, or nothing at all. */
export type BodyLength = number | "chunked";

/** What is known of a body before it is read. */
export type BodyOptions = {
  readonly length: BodyLength;
  readonly mostBytes: number;
  /** Asked before bytes are kept; false when too much is held already, all requests together. */
  readonly hold: (bytes: number) => boolean;
};

/** When a client may try again that was refused because of others' bodies, seconds: most are held for less. */
const RETRY_AFTER_SECONDS = 1;

/**
 * Gathers a body. Rejects as soon as it is known to be too long, or too much to be held; what the client then still
 * sends is thrown away up to a bound, so that a client that reads only after it has written gets to see why.
 */
export function readBody(
  request: IncomingMessage,
  { length, mostBytes, hold }: BodyOptions,
): Promise<readonly Uint8Array[]> {
  if (length === 0) return Promise.resolve([]);
  return new Promise((resolve, reject) => {
    const tooLarge = (): PayloadTooLargeError =>
      new PayloadTooLargeError(`the body has more than ${mostBytes} bytes: send less, or raise maxRequestBodyBytes`);
    if (length !== "chunked" && length > mostBytes) {
      discard(request);
      reject(tooLarge());
      return;
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    const stop = (): void => {
      request.off("data", onData);
      request.off("end", onEnd);
      request.off("close", onClose);
    };
    const fail = (error: ServeError): void => {
      stop();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      const isTooLong = bytes + chunk.length > mostBytes;
      if (isTooLong || !hold(chunk.length)) {
        discard(request);
        fail(isTooLong ? tooLarge() : tooMuchHeld());
        return;
      }
      bytes += chunk.length;
      chunks.push(chunk);
      // The parser lets no more bytes through than were declared, so there is nothing to wait for.
      if (bytes === length) onEnd();
    };
    const onEnd = (): void => {
      stop();
      resolve(chunks);
    };
    const onClose = (): void => fail(new CancelledError("the client went away while it sent its request"));
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("close", onClose);
  });
}

function tooMuchHeld(): QueueFullError {
  const text =
    "the bodies of other requests fill what this proxy may hold: try again later, or add replicas if requests queue";
  return new QueueFullError(text, { details: { retryAfterSeconds: RETRY_AFTER_SECONDS } });
}

/** Reads on and keeps nothing; ends the connection of a client that does not stop. */
function discard(request: IncomingMessage): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_DISCARDED_BYTES) request.destroy();
  });
}
