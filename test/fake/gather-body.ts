import { PayloadTooLargeError } from "../../core/error.ts";
import { isStream, type Body } from "../../proto/body.ts";

/**
 * All of a body. Rejects with the stream's error, or with PayloadTooLargeError as soon as it is longer than `mostBytes`.
 */
export function gatherBody(body: Body, mostBytes: number): Promise<readonly Uint8Array[]> {
  if (!isStream(body)) return Promise.resolve(body);
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    body.receive({
      onData(part) {
        bytes += part.byteLength;
        if (bytes > mostBytes) {
          const error = new PayloadTooLargeError(`a body has more than the ${mostBytes} bytes that are taken here`);
          body.cancel(error);
          reject(error);
          return;
        }
        parts.push(part);
        body.consumed(part.byteLength);
      },
      onEnd: () => resolve(parts),
      onError: reject,
    });
  });
}
