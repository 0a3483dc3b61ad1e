import { PayloadTooLargeError } from "../core/error.ts";
import { MOST_FRAME_BODY_BYTES } from "../core/limits.ts";
import { isStream, type Body, type BodyStream } from "./body.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * All of a body in one piece, at once where it has come whole. A stream's bytes go straight to their place in memory of
 * their own that begins at 0, so that they can be looked at as floats. Rejects with the stream's error.
 */
export function bytesOf(body: Body): Uint8Array | Promise<Uint8Array> {
  if (isStream(body)) return gather(body);
  return body.length <= 1 ? (body[0] ?? NO_BYTES) : Buffer.concat(body);
}

function gather(body: BodyStream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    // Memory that nothing was written to costs next to nothing, so a length that was only claimed does no harm.
    const isKnown = body.length !== undefined && body.length <= MOST_FRAME_BODY_BYTES;
    let memory = isKnown ? new Uint8Array(Buffer.allocUnsafeSlow(body.length).buffer) : undefined;
    const parts: Uint8Array[] = [];
    let filled = 0;
    const take = (bytes: Uint8Array): void => {
      const start = filled;
      filled += bytes.byteLength;
      if (filled > MOST_FRAME_BODY_BYTES) {
        const error = new PayloadTooLargeError(`a body has more than the ${MOST_FRAME_BODY_BYTES} bytes taken here`);
        body.cancel(error);
        reject(error);
        return;
      }
      if (memory !== undefined && filled > memory.byteLength) {
        // Longer than it said: what has come so far is one part of several.
        parts.push(memory.subarray(0, start));
        memory = undefined;
      }
      if (memory === undefined) parts.push(bytes);
      else memory.set(bytes, start);
      body.consumed(bytes.byteLength);
    };
    body.receive({
      onData: take,
      onLentData(bytes) {
        take(bytes);
        return memory === undefined ? "kept" : "free";
      },
      onEnd: () => resolve(memory === undefined ? joined(parts, filled) : firstOf(memory, filled)),
      onError: reject,
    });
  });
}

/** Memory has old bytes behind what was written to it. */
function firstOf(memory: Uint8Array, length: number): Uint8Array {
  return length === memory.byteLength ? memory : memory.slice(0, length);
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const memory = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    memory.set(part, at);
    at += part.byteLength;
  }
  return memory;
}
