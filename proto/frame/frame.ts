/**
 * The data plane's frame, between routers and replicas:
 *
 *     u32 length of all that follows | u32 stream | u8 kind | u8 flags | u16 head length | head | body
 *
 * Numbers are big-endian; the head is latin-1 text (`codec/exchange.ts`). A stream is one request and its answer; its
 * number is chosen by the router and used once per connection. Stream 0 is the connection itself. Flags are 0 in this
 * version and ignored when read.
 *
 *     router                         replica
 *     HELLO   replica id, secret  →
 *                                 ←  WELCOME  requests ongoing            (or ERROR on stream 0, and the end)
 *     REQUEST head, body          →
 *                                 ←  ANSWER | ERROR                       exactly one for each REQUEST, in any order
 *     CANCEL                      →                                       its REQUEST is answered all the same
 *                                 ←  GOAWAY                               send nothing new on this connection
 */
export const FRAME = {
  HELLO: 1,
  WELCOME: 2,
  REQUEST: 3,
  ANSWER: 4,
  ERROR: 5,
  CANCEL: 6,
  GOAWAY: 7,
} as const;

/** What a frame is. */
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** Bytes before the head. */
export const FRAME_PREFIX_BYTES = 12;
/** Bytes of the length field, which does not count itself. */
const LENGTH_BYTES = 4;
const REST_OF_PREFIX_BYTES = FRAME_PREFIX_BYTES - LENGTH_BYTES;
/** Version of all this, first in HELLO and WELCOME. A peer with another one is refused. */
export const FRAME_VERSION = "1";

/** What a reader accepts; the peer is not trusted with more memory than this. */
export type FrameBounds = { readonly mostHeadBytes: number; readonly mostBodyBytes: number };

/** Gets each frame as it is complete. The body is the receiver's to keep, and is never reused. */
export type FrameReceiver = (kind: FrameKind, stream: number, head: string, body: Uint8Array) => void;

/** Writes a frame's prefix at `at`; there must be room for FRAME_PREFIX_BYTES. */
export function writePrefix(
  into: Buffer,
  at: number,
  frame: { readonly kind: FrameKind; readonly stream: number; readonly headBytes: number; readonly bodyBytes: number },
): void {
  into.writeUInt32BE(REST_OF_PREFIX_BYTES + frame.headBytes + frame.bodyBytes, at);
  into.writeUInt32BE(frame.stream, at + 4);
  into[at + 8] = frame.kind;
  into[at + 9] = 0;
  into.writeUInt16BE(frame.headBytes, at + 10);
}

/** A frame whose first bytes have come, and not yet its last. */
type PartialFrame = {
  readonly kind: FrameKind;
  readonly stream: number;
  readonly head: Buffer;
  readonly body: Buffer;
  filledBytes: number;
};

/**
 * Takes a byte stream apart into frames. A frame that arrives within one chunk is handed on as a view of it; one that
 * is spread over several gets a buffer of its own, once, after its lengths have been checked.
 */
export class FrameReader {
  /** May be changed between frames, for instance once the peer has proved who it is. */
  bounds: FrameBounds;
  readonly #receive: FrameReceiver;
  /** The first bytes of a prefix that is not complete. */
  #rest: Buffer | undefined;
  #partial: PartialFrame | undefined;
  #failure: string | undefined;

  constructor(bounds: FrameBounds, receive: FrameReceiver) {
    this.bounds = bounds;
    this.#receive = receive;
  }

  /** Takes the next bytes. Gives the reason when they cannot be frames: the connection must then be closed. */
  push(chunk: Uint8Array): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, bytes]);
      this.#rest = undefined;
    }
    let at = this.#partial === undefined ? 0 : this.#fill(this.#partial, bytes, 0);
    while (bytes.length - at >= FRAME_PREFIX_BYTES) {
      const next = this.#readFrame(bytes, at);
      if (typeof next === "string") {
        this.#failure = next;
        return next;
      }
      at = next;
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at);
    return undefined;
  }

  /** Reads the frame at `at`, or begins it. Gives where the next one starts, or why this is none. */
  #readFrame(bytes: Buffer, at: number): number | string {
    const length = bytes.readUInt32BE(at);
    const headBytes = bytes.readUInt16BE(at + 10);
    const bodyBytes = length - REST_OF_PREFIX_BYTES - headBytes;
    if (bodyBytes < 0) return "a frame is shorter than its own head";
    if (headBytes > this.bounds.mostHeadBytes) return `a frame's head has ${headBytes} bytes, more than may be sent`;
    if (bodyBytes > this.bounds.mostBodyBytes) return `a frame's body has ${bodyBytes} bytes, more than may be sent`;
    const kind = bytes[at + 8] ?? 0;
    if (!isFrameKind(kind)) return `a frame has the unknown kind ${kind}`;
    const stream = bytes.readUInt32BE(at + 4);
    const headStart = at + FRAME_PREFIX_BYTES;
    const end = at + LENGTH_BYTES + length;
    if (end <= bytes.length) {
      const bodyStart = headStart + headBytes;
      this.#receive(kind, stream, bytes.toString("latin1", headStart, bodyStart), bytes.subarray(bodyStart, end));
      return end;
    }
    // The body gets memory of its own, from its first byte on, so that typed arrays in it can be looked at in place.
    const partial: PartialFrame = {
      kind,
      stream,
      head: Buffer.allocUnsafeSlow(headBytes),
      body: Buffer.allocUnsafeSlow(bodyBytes),
      filledBytes: 0,
    };
    this.#partial = partial;
    return this.#fill(partial, bytes, headStart);
  }

  /** Copies what belongs to the partial frame; gives where the rest begins. */
  #fill(partial: PartialFrame, bytes: Buffer, from: number): number {
    const { head, body } = partial;
    let at = from;
    if (partial.filledBytes < head.length) {
      const copied = bytes.copy(head, partial.filledBytes, at);
      partial.filledBytes += copied;
      at += copied;
    }
    if (partial.filledBytes >= head.length) {
      const copied = bytes.copy(body, partial.filledBytes - head.length, at);
      partial.filledBytes += copied;
      at += copied;
      if (partial.filledBytes === head.length + body.length) {
        this.#partial = undefined;
        this.#receive(partial.kind, partial.stream, head.toString("latin1"), body);
      }
    }
    return at;
  }
}

function isFrameKind(kind: number): kind is FrameKind {
  return kind >= FRAME.HELLO && kind <= FRAME.GOAWAY;
}
