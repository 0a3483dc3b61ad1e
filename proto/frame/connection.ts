import type { Defer } from "../../core/clock.ts";
import { invariant } from "../../core/assert.ts";
import { MOST_FRAME_HEAD_BYTES } from "../../core/limits.ts";
import type { ByteSocket, Lent, SocketListener } from "../../core/network.ts";
import { byteLengthOf } from "../body.ts";
import {
  FRAME,
  FRAME_PREFIX_BYTES,
  FrameReader,
  writePrefix,
  type Frame,
  type FrameBounds,
  type FrameKind,
} from "./frame.ts";

/**
 * Frames over one socket.
 *
 * Flush rule: the first frame of an event-loop turn is written at once, because waiting for company costs a lone request
 * more than it can win; the others of the same turn leave together at its end, because each write is a system call.
 * Small frames are copied one behind the other into a slab, so that many of them are one chunk; bodies over
 * BY_REFERENCE_BYTES are written from where they are, their bytes must not change until then.
 *
 * The connection owns its socket. It never buffers without bound by itself: how much is under way is bounded by whoever
 * sends: through the slots of a replica, and the credit of each stream.
 */

const SLAB_BYTES = 64 * 1024;
const BY_REFERENCE_BYTES = 8 * 1024;
const NO_BODY: readonly Uint8Array[] = [];

/** What a connection tells its owner. */
export interface FrameListener {
  onFrame(frame: Frame): void;
  /** The connection is gone; called exactly once, last. */
  onClose(reason: string): void;
}

/** What a connection is made of. */
export type FrameConnectionOptions = {
  readonly socket: ByteSocket;
  readonly defer: Defer;
  readonly bounds: FrameBounds;
  readonly listener: FrameListener;
};

type Outgoing = Pick<Frame, "kind" | "stream" | "head" | "hasMore">;

/** One end of a frame connection; give it the socket's events. */
export class FrameConnection implements SocketListener {
  readonly #socket: ByteSocket;
  readonly #defer: Defer;
  readonly #listener: FrameListener;
  readonly #reader: FrameReader;
  readonly #onTurnEnd: () => void;
  #slab: Buffer;
  /** Where the frames that are not yet in `#chunks` begin, and where the next one goes. */
  #sliceStart = 0;
  #slabUsed = 0;
  #chunks: Uint8Array[] = [];
  #isTurnOpen = false;
  #sentFrames = 0;
  #flushedFrames = 0;
  #flushedBytes = 0;
  /** What was lent and is needed until so many bytes are written, in order. */
  readonly #held: { readonly until: number; readonly onFree: () => void }[] = [];
  readonly #onWritten = (): void => this.#freeWritten();
  #closeReason: string | undefined;
  #isGone = false;
  /** Somebody keeps bytes of what was lent. */
  #isChunkKept = false;

  constructor({ socket, defer, bounds, listener }: FrameConnectionOptions) {
    this.#socket = socket;
    this.#defer = defer;
    this.#listener = listener;
    // Grows to SLAB_BYTES with use: a connection that says little should not hold much.
    this.#slab = Buffer.allocUnsafeSlow(1_024);
    this.#reader = new FrameReader(bounds, (frame) => {
      if (this.#closeReason === undefined) this.#listener.onFrame(frame);
    });
    this.#onTurnEnd = () => {
      this.#isTurnOpen = false;
      this.#flush();
    };
  }

  /** Frames of which bytes were handed to the socket: those up to this one, counted as `send` counts them. */
  get flushedFrames(): number {
    return this.#flushedFrames;
  }

  /** What the peer may send from now on. */
  set bounds(bounds: FrameBounds) {
    this.#reader.bounds = bounds;
  }

  /** Sends a frame; its number, counted from 1. After a close it goes nowhere. */
  send(kind: FrameKind, stream: number, head: string, body: readonly Uint8Array[] = NO_BODY): number {
    return this.#send({ kind, stream, head, hasMore: false }, body);
  }

  /** Sends a frame after which more of the stream's body follows; its number. */
  sendOpen(kind: FrameKind, stream: number, head: string, body: readonly Uint8Array[] = NO_BODY): number {
    return this.#send({ kind, stream, head, hasMore: true }, body);
  }

  /** Sends bytes that are only lent, as DATA after which more follows. They leave at once. */
  lend(stream: number, bytes: Uint8Array, onFree: () => void): Lent {
    if (this.#isGone || this.#closeReason !== undefined) return "free";
    this.#sentFrames += 1;
    this.#append({ kind: FRAME.DATA, stream, head: "", hasMore: true }, [bytes]);
    this.#flush(this.#onWritten);
    const { unsentBytes } = this.#socket;
    if (unsentBytes === 0) return "free";
    if (unsentBytes === undefined) return "kept";
    this.#held.push({ until: this.#flushedBytes, onFree });
    return "held";
  }

  #send(out: Outgoing, body: readonly Uint8Array[]): number {
    const frame = ++this.#sentFrames;
    if (this.#closeReason !== undefined || this.#isGone) return frame;
    this.#append(out, body);
    if (!this.#isTurnOpen) {
      this.#isTurnOpen = true;
      this.#flush();
      this.#defer(this.#onTurnEnd);
    }
    return frame;
  }

  /** Closes at once; frames already handed to the socket may still arrive. `onClose` follows with this reason. */
  close(reason: string): void {
    if (this.#closeReason !== undefined) return;
    this.#flush();
    this.#closeReason = reason;
    this.#socket.destroy();
  }

  onData(chunk: Uint8Array): void {
    if (this.#closeReason !== undefined) return;
    const failure = this.#reader.push(chunk);
    if (failure !== undefined) this.close(failure);
  }

  onLentData(chunk: Uint8Array): Lent {
    if (this.#closeReason !== undefined) return "free";
    this.#isChunkKept = false;
    const failure = this.#reader.push(chunk, true);
    if (failure !== undefined) this.close(failure);
    return this.#isChunkKept ? "kept" : "free";
  }

  /** For whoever was just given a piece of DATA, and keeps bytes of it: they stay as they are. */
  keepChunk(): void {
    this.#isChunkKept = true;
  }

  onDrain(): void {
    // Nothing waits for it: see the head of this file.
  }

  onClose(error: Error | undefined): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#closeReason ??= error === undefined ? "the peer closed the connection" : error.message;
    this.#chunks = [];
    for (const { onFree } of this.#held.splice(0)) onFree();
    this.#listener.onClose(this.#closeReason);
  }

  #append({ kind, stream, head, hasMore }: Outgoing, body: readonly Uint8Array[]): void {
    invariant(head.length <= MOST_FRAME_HEAD_BYTES, "a frame's head is longer than its length field can say");
    const bodyBytes = byteLengthOf(body);
    const isCopied = bodyBytes <= BY_REFERENCE_BYTES;
    this.#reserve(FRAME_PREFIX_BYTES + head.length + (isCopied ? bodyBytes : 0));
    writePrefix(this.#slab, this.#slabUsed, { kind, stream, headBytes: head.length, bodyBytes, hasMore });
    let at = this.#slabUsed + FRAME_PREFIX_BYTES;
    at += this.#slab.write(head, at, "latin1");
    if (isCopied) {
      for (const part of body) {
        this.#slab.set(part, at);
        at += part.byteLength;
      }
    }
    this.#slabUsed = at;
    if (isCopied) return;
    this.#cut();
    for (const part of body) if (part.byteLength > 0) this.#chunks.push(part);
  }

  /** Makes room for `bytes` in one piece. What was written to the old slab may still be on its way, so it is left alone. */
  #reserve(bytes: number): void {
    if (this.#slabUsed + bytes <= this.#slab.length) return;
    this.#cut();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(SLAB_BYTES, this.#slab.length * 8)));
    this.#sliceStart = 0;
    this.#slabUsed = 0;
  }

  #cut(): void {
    if (this.#slabUsed === this.#sliceStart) return;
    this.#chunks.push(this.#slab.subarray(this.#sliceStart, this.#slabUsed));
    this.#sliceStart = this.#slabUsed;
  }

  #freeWritten(): void {
    const writtenBytes = this.#flushedBytes - (this.#socket.unsentBytes ?? 0);
    for (let first = this.#held[0]; first !== undefined && first.until <= writtenBytes; first = this.#held[0]) {
      this.#held.shift();
      first.onFree();
    }
  }

  #flush(onWritten?: () => void): void {
    if (this.#isGone || this.#closeReason !== undefined) return;
    this.#cut();
    const chunks = this.#chunks;
    const first = chunks[0];
    if (first === undefined) return;
    this.#chunks = [];
    this.#flushedFrames = this.#sentFrames;
    if (chunks.length === 1) {
      this.#flushedBytes += first.byteLength;
      this.#socket.write(first, onWritten);
      return;
    }
    this.#socket.cork();
    const last = chunks.at(-1);
    for (const chunk of chunks) {
      this.#flushedBytes += chunk.byteLength;
      this.#socket.write(chunk, chunk === last ? onWritten : undefined);
    }
    this.#socket.uncork();
  }
}
