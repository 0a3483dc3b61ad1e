/**
 * The data plane's frame, between routers and replicas:
 *
 *     u32 length of all that follows | u32 stream | u8 kind | u8 flags | u16 head length | head | body
 *
 * Numbers are big-endian; the head is latin-1 text (`codec/exchange.ts`). A stream is one request and its answer; its
 * number is chosen by the router and used once per link. Stream 0 is the connection itself. MORE is the only flag: more
 * of this stream's body follows in DATA frames. A link has two connections (`link.ts`); the frames of one body all go by
 * the same, CANCEL by that of its REQUEST.
 *
 *     router                         replica
 *     HELLO   replica, secret, link →
 *                                 ←  WELCOME  requests ongoing            (or ERROR on stream 0, and the end)
 *     REQUEST head, body          →
 *     DATA    body, on and on     →                                       as far as CREDIT allows: none at first
 *                                 ←  CREDIT   bytes                       the first one says that the request is taken
 *                                 ←  ANSWER | ERROR                       exactly one for each REQUEST, in any order
 *                                 ←  DATA     body, on and on             after an ANSWER with MORE; ERROR breaks it off
 *     CREDIT  bytes               →                                       beside the STREAM_WINDOW_BYTES there are at first
 *     CANCEL                      →                                       its REQUEST is answered or broken off all the same
 *     PING                        →
 *                                 ←  PONG     requests ongoing
 *                                 ←  MODELS   ids                         which of several models are here; all, each time
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
  DATA: 8,
  CREDIT: 9,
  PING: 10,
  PONG: 11,
  MODELS: 12,
} as const;

/** What a frame is. */
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** Bytes before the head. */
export const FRAME_PREFIX_BYTES = 12;
/** Bytes of the length field, which does not count itself. */
const LENGTH_BYTES = 4;
const REST_OF_PREFIX_BYTES = FRAME_PREFIX_BYTES - LENGTH_BYTES;
const NO_BYTES = new Uint8Array(0);
/** Version of all this, first in HELLO and WELCOME. A peer with another one is refused. */
export const FRAME_VERSION = "3";
const MORE = 1;

/** What a reader accepts; the peer is not trusted with more memory than this. */
export type FrameBounds = { readonly mostHeadBytes: number; readonly mostBodyBytes: number };

/** A frame that was read. */
export type Frame = {
  readonly kind: FrameKind;
  readonly stream: number;
  readonly head: string;
  /** The receiver's to keep, and never reused; a piece of DATA after `FrameConnection.keepChunk`. */
  readonly body: Uint8Array;
  /** More of the stream's body follows. */
  readonly hasMore: boolean;
};

/** Gets each frame as it is complete; DATA also in pieces as they come. */
export type FrameReceiver = (frame: Frame) => void;

/** Writes a frame's prefix at `at`; there must be room for FRAME_PREFIX_BYTES. */
export function writePrefix(
  into: Buffer,
  at: number,
  frame: {
    readonly kind: FrameKind;
    readonly stream: number;
    readonly headBytes: number;
    readonly bodyBytes: number;
    readonly hasMore: boolean;
  },
): void {
  into.writeUInt32BE(REST_OF_PREFIX_BYTES + frame.headBytes + frame.bodyBytes, at);
  into.writeUInt32BE(frame.stream, at + 4);
  into[at + 8] = frame.kind;
  into[at + 9] = frame.hasMore ? MORE : 0;
  into.writeUInt16BE(frame.headBytes, at + 10);
}

/** A frame whose first bytes have come, and not yet its last. */
type PartialFrame = {
  readonly kind: FrameKind;
  readonly stream: number;
  readonly head: Buffer;
  readonly body: Buffer;
  readonly hasMore: boolean;
  filledBytes: number;
};

/** A DATA frame of which some bytes are still to come. */
type OpenData = { readonly stream: number; readonly hasMore: boolean; leftBytes: number };

/**
 * Takes a byte stream apart into frames. A frame that arrives within one chunk is handed on as a view of it; one that
 * is spread over several gets a buffer of its own, once, after its lengths have been checked. Only DATA is handed on in
 * the pieces it comes in: whoever takes a body joins pieces anyway, and so copies them once at most.
 */
export class FrameReader {
  /** May be changed between frames, for instance once the peer has proved who it is. */
  bounds: FrameBounds;
  readonly #receive: FrameReceiver;
  /** The first bytes of a prefix that is not complete. */
  #rest: Buffer | undefined;
  #partial: PartialFrame | undefined;
  #data: OpenData | undefined;
  #failure: string | undefined;
  /** The chunk that is being read is lent. */
  #isLent = false;

  constructor(bounds: FrameBounds, receive: FrameReceiver) {
    this.bounds = bounds;
    this.#receive = receive;
  }

  /**
   * Takes the next bytes, which may be lent for the length of the call: then what is handed on of DATA is lent too, and
   * all else is copied. Gives the reason when they cannot be frames: the connection must then be closed.
   */
  push(chunk: Uint8Array, isLent = false): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    this.#isLent = isLent;
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, bytes]);
      this.#rest = undefined;
    }
    let at = 0;
    if (this.#partial !== undefined) at = this.#fill(this.#partial, bytes, 0);
    else if (this.#data !== undefined) at = this.#takeData(this.#data, bytes, 0);
    while (bytes.length - at >= FRAME_PREFIX_BYTES) {
      const next = this.#readFrame(bytes, at);
      if (typeof next === "string") {
        this.#failure = next;
        return next;
      }
      at = next;
    }
    if (at < bytes.length) this.#rest = isLent ? Buffer.from(bytes.subarray(at)) : bytes.subarray(at);
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
    const hasMore = bytes[at + 9] === MORE;
    const headStart = at + FRAME_PREFIX_BYTES;
    const end = at + LENGTH_BYTES + length;
    if (end <= bytes.length) {
      const bodyStart = headStart + headBytes;
      const head = headBytes === 0 ? "" : bytes.toString("latin1", headStart, bodyStart);
      const body = bodyBytes === 0 ? NO_BYTES : this.#bodyOf(bytes, bodyStart, end, kind);
      this.#receive({ kind, stream, head, body, hasMore });
      return end;
    }
    if (kind === FRAME.DATA && headBytes === 0) {
      this.#data = { stream, hasMore, leftBytes: bodyBytes };
      return this.#takeData(this.#data, bytes, headStart);
    }
    // The body gets memory of its own, from its first byte on, so that typed arrays in it can be looked at in place.
    const partial: PartialFrame = {
      kind,
      stream,
      head: Buffer.allocUnsafeSlow(headBytes),
      body: Buffer.allocUnsafeSlow(bodyBytes),
      hasMore,
      filledBytes: 0,
    };
    this.#partial = partial;
    return this.#fill(partial, bytes, headStart);
  }

  /** A body that lies in one chunk. */
  #bodyOf(bytes: Buffer, start: number, end: number, kind: FrameKind): Buffer {
    const body = bytes.subarray(start, end);
    if (!this.#isLent || kind === FRAME.DATA) return body;
    const own = Buffer.allocUnsafeSlow(end - start);
    own.set(body);
    return own;
  }

  /** Hands on what has come of a DATA frame; gives where the rest begins. */
  #takeData(data: OpenData, bytes: Buffer, from: number): number {
    const end = Math.min(bytes.length, from + data.leftBytes);
    data.leftBytes -= end - from;
    const isWhole = data.leftBytes === 0;
    if (isWhole) this.#data = undefined;
    if (end > from || isWhole) {
      const { stream, hasMore } = data;
      this.#receive({
        kind: FRAME.DATA,
        stream,
        head: "",
        body: bytes.subarray(from, end),
        hasMore: hasMore || !isWhole,
      });
    }
    return end;
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
        const { kind, stream, hasMore } = partial;
        this.#receive({ kind, stream, head: head.toString("latin1"), body, hasMore });
      }
    }
    return at;
  }
}

function isFrameKind(kind: number): kind is FrameKind {
  return kind >= FRAME.HELLO && kind <= FRAME.MODELS;
}
