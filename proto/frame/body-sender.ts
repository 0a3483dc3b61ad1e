import type { ServeError } from "../../core/error.ts";
import type { Lent } from "../../core/network.ts";
import type { BodyReceiver, BodyStream } from "../body.ts";
import type { FrameConnection } from "./connection.ts";
import { FRAME } from "./frame.ts";

/** What a sender is made of. */
export type BodySenderOptions = {
  readonly connection: FrameConnection;
  /** Number of the stream that the body belongs to. */
  readonly stream: number;
  readonly body: BodyStream;
  /** Bytes that the peer takes before it has given any credit. */
  readonly creditBytes: number;
  /** Called once, last: undefined when all has been sent, otherwise why the body broke off. */
  readonly onDone: (error: ServeError | undefined) => void;
};

/** What waits for credit; `onFree` where it is lent. */
type Part = { readonly bytes: Uint8Array; readonly onFree: (() => void) | undefined };

/**
 * Sends a body as DATA frames, as far as the peer has given credit; what lies beyond waits here, and is bounded because
 * its producer hears of nothing consumed. The frame that says that the body broke off is for the owner to send.
 */
export class BodySender implements BodyReceiver {
  readonly #connection: FrameConnection;
  readonly #stream: number;
  readonly #body: BodyStream;
  readonly #onDone: (error: ServeError | undefined) => void;
  #creditBytes: number;
  #waiting: Part[] = [];
  #hasStarted = false;
  #hasEnded = false;
  #isOver = false;

  constructor({ connection, stream, body, creditBytes, onDone }: BodySenderOptions) {
    this.#connection = connection;
    this.#stream = stream;
    this.#body = body;
    this.#creditBytes = creditBytes;
    this.#onDone = onDone;
  }

  /** Takes the body, unless it has already; before that it is untouched and may be sent elsewhere. */
  start(): void {
    if (this.#isOver || this.#hasStarted) return;
    this.#hasStarted = true;
    this.#body.receive(this);
  }

  /** The peer takes so many bytes more. */
  addCredit(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#waiting.length > 0 && !this.#isOver) this.#sendWaiting();
  }

  /** The stream is over, for whichever reason: what is left of the body is not wanted. */
  stop(error: ServeError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    // A body that nobody has touched may yet go to another replica.
    if (this.#hasStarted) this.#body.cancel(error);
  }

  onData(bytes: Uint8Array): void {
    this.onLentData(bytes);
  }

  onLentData(bytes: Uint8Array, onFree?: () => void): Lent {
    if (this.#isOver) return "free";
    if (this.#waiting.length === 0 && bytes.byteLength <= this.#creditBytes) return this.#sendPart(bytes, onFree);
    this.#waiting.push({ bytes, onFree });
    this.#sendWaiting();
    return onFree === undefined ? "kept" : "held";
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#finish();
  }

  onError(error: ServeError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    this.#onDone(error);
  }

  #sendWaiting(): void {
    let sent = 0;
    for (const { bytes, onFree } of this.#waiting) {
      if (bytes.byteLength > this.#creditBytes) break;
      if (this.#sendPart(bytes, onFree) === "free") onFree?.();
      sent += 1;
    }
    this.#waiting.splice(0, sent);
    const first = this.#waiting[0];
    if (first !== undefined && this.#creditBytes > 0) {
      // Part of a piece: all credit is used, so that a window smaller than a piece still moves. Its memory is free when
      // the rest of it is: what is written to one connection is written in order.
      const take = this.#creditBytes;
      this.#waiting[0] = { bytes: first.bytes.subarray(take), onFree: first.onFree };
      this.#sendPart(first.bytes.subarray(0, take), undefined);
    }
    this.#finish();
  }

  #sendPart(bytes: Uint8Array, onFree: (() => void) | undefined): Lent {
    this.#creditBytes -= bytes.byteLength;
    let lent: Lent = "kept";
    if (onFree === undefined) this.#connection.sendOpen(FRAME.DATA, this.#stream, "", [bytes]);
    else lent = this.#connection.lend(this.#stream, bytes, onFree);
    this.#body.consumed(bytes.byteLength);
    return lent;
  }

  #finish(): void {
    if (!this.#hasEnded || this.#waiting.length > 0 || this.#isOver) return;
    this.#isOver = true;
    this.#connection.send(FRAME.DATA, this.#stream, "");
    this.#onDone(undefined);
  }
}
