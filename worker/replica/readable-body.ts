import { CancelledError, type ServeError } from "../../core/error.ts";
import { STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import type { BodyStream } from "../../proto/body.ts";

/**
 * A body as a web stream. It is received when this is called; its producer is held back while the stream's reader is
 * slow, and told when the stream is cancelled. `lastWords`: what can still be read when it breaks off, before the error.
 */
export function readableOf(
  body: BodyStream,
  lastWords?: (error: ServeError) => Uint8Array,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let unconsumedBytes = 0;
  let failure: ServeError | undefined;
  return new ReadableStream(
    {
      type: "bytes",
      start(controller) {
        body.receive({
          onData(bytes) {
            unconsumedBytes += bytes.byteLength;
            // The stream takes the memory of what it is given away from everybody else, so it gets its own.
            const isAlone = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer;
            controller.enqueue(isAlone ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes));
          },
          onEnd() {
            try {
              controller.close();
              controller.byobRequest?.respond(0);
            } catch (error) {
              // A reader of numbers was given part of one, and the body has no more: that is for the reader to hear.
              controller.error(error);
            }
            // All of it lies in the stream now: there is nobody left to hold back.
            const bytes = unconsumedBytes;
            unconsumedBytes = 0;
            if (bytes > 0) body.consumed(bytes);
          },
          onError(error) {
            // An error drops what lies in the stream, so it has to wait until the last words are read.
            if (lastWords === undefined) controller.error(error);
            else {
              failure = error;
              controller.enqueue(new Uint8Array(lastWords(error)));
            }
          },
        });
      },
      /** Called while less than `highWaterMark` lies in the stream; where that is 0, when somebody waits for more. */
      pull(controller) {
        if (failure !== undefined) controller.error(failure);
        const bytes = unconsumedBytes;
        unconsumedBytes = 0;
        if (bytes > 0) body.consumed(bytes);
      },
      cancel(reason) {
        body.cancel(new CancelledError("the reader of the body wants no more of it", { cause: reason }));
      },
    },
    { highWaterMark: lastWords === undefined ? STREAM_WINDOW_BYTES / 2 : 0 },
  );
}
