import type { IncomingMessage } from "node:http";
import { CancelledError, PayloadTooLargeError } from "../core/error.ts";
import { MOST_DISCARDED_BYTES } from "../core/limits.ts";

/** How long a request's body is: a number where it was declared, `chunked`, or nothing at all. */
export type BodyLength = number | "chunked";

/**
 * Gathers a body. Rejects as soon as it is known to be too long; what the client then still sends is thrown away up to
 * a bound, so that a client that reads only after it has written gets to see why.
 */
export function readBody(
  request: IncomingMessage,
  length: BodyLength,
  mostBytes: number,
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
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > mostBytes) {
        stop();
        discard(request);
        reject(tooLarge());
        return;
      }
      chunks.push(chunk);
      // The parser lets no more bytes through than were declared, so there is nothing to wait for.
      if (bytes === length) onEnd();
    };
    const onEnd = (): void => {
      stop();
      resolve(chunks);
    };
    const onClose = (): void => {
      stop();
      reject(new CancelledError("the client went away while it sent its request"));
    };
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("close", onClose);
  });
}

/** Reads on and keeps nothing; ends the connection of a client that does not stop. */
function discard(request: IncomingMessage): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_DISCARDED_BYTES) request.destroy();
  });
}
