/**
 * An answer's body on its way to a client that reads as fast as it likes. Small pieces, of which a model may yield
 * thousands in a second, are collected as text and leave together at the end of the event loop's turn; large ones leave
 * at once, by reference. A piece is consumed when the socket took it without asking for a pause, else when it has drained.
 *
 *     open ── the body's end ──▶ ended whole
 *       └─ it fails, or does not keep to its length ─▶ broken: no last chunk, so nobody takes it for whole
 */
import { InternalError, type CancelledError, type ServeError } from "../../core/error.ts";
import type { BodyReceiver, BodyStream } from "../../proto/body.ts";
import type { HttpAnswer } from "../http-front.ts";
import type { Wire } from "./wire.ts";

/** Pieces up to this are copied into text: two writes by reference cost more. */
const COLLECTED_BYTES = 2_048;

/** What a streamed answer is made from. */
export type StreamedAnswerOptions = {
  /** Status line and headers, with the empty line. */
  readonly head: string;
  readonly body: BodyStream;
  /** Otherwise its length was declared, or it ends with the connection. */
  readonly isChunked: boolean;
  readonly lastWords: HttpAnswer["lastWords"];
};

/** Writes one stream; see the head of this file. */
export class StreamedAnswer implements BodyReceiver {
  readonly #wire: Wire;
  readonly #options: StreamedAnswerOptions;
  #onEnded: ((isWhole: boolean) => void) | undefined;
  /** Collected, in latin1; the head to begin with. */
  #text: string;
  /** How much of the body is in it. */
  #textBytes = 0;
  #isFlushDue = false;
  #sentBytes = 0;
  /** Written, but the socket asked for a pause. */
  #unconsumedBytes = 0;

  constructor(wire: Wire, options: StreamedAnswerOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#text = options.head;
  }

  /** Begins. `onEnded` is called once, in here already or later: not whole means that the connection must be broken off. */
  start(onEnded: (isWhole: boolean) => void): void {
    this.#onEnded = onEnded;
    // The head leaves by the end of this turn even where the first bytes are still to come.
    this.#flushLater();
    this.#options.body.receive(this);
  }

  onData(bytes: Uint8Array): void {
    if (this.#onEnded === undefined) return;
    const { body, isChunked } = this.#options;
    this.#sentBytes += bytes.byteLength;
    if (body.length !== undefined && this.#sentBytes > body.length) {
      const error = new InternalError("an answer is longer than it said it would be");
      body.cancel(error);
      this.onError(error);
      return;
    }
    if (isChunked) this.#text += `${bytes.byteLength.toString(16)}\r\n`;
    if (bytes.byteLength <= COLLECTED_BYTES) {
      this.#text += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
      if (isChunked) this.#text += "\r\n";
      this.#textBytes += bytes.byteLength;
      this.#flushLater();
      return;
    }
    const collectedBytes = this.#textBytes;
    const isReady = this.#wire.writeFramed(this.#takeText(), bytes, isChunked ? "\r\n" : "");
    this.#settle(collectedBytes + bytes.byteLength, isReady);
  }

  onEnd(): void {
    if (this.#onEnded === undefined) return;
    const { body, isChunked } = this.#options;
    if (body.length !== undefined && this.#sentBytes < body.length) {
      this.onError(new InternalError("an answer is shorter than it said it would be"));
      return;
    }
    if (isChunked) this.#text += "0\r\n\r\n";
    this.flush();
    this.#end(true);
  }

  onError(error: ServeError): void {
    if (this.#onEnded === undefined) return;
    const { isChunked, lastWords, body } = this.#options;
    // Where the length was declared nothing may be put in place of what is missing.
    const words = body.length === undefined ? lastWords?.(error) : undefined;
    if (words !== undefined) {
      const text = Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString("latin1");
      this.#text += isChunked ? `${words.byteLength.toString(16)}\r\n${text}\r\n` : text;
    }
    this.flush();
    this.#end(false);
  }

  /** The client can take more. */
  onDrain(): void {
    const bytes = this.#unconsumedBytes;
    this.#unconsumedBytes = 0;
    if (bytes > 0) this.#options.body.consumed(bytes);
  }

  /** The client is gone: nobody wants the rest. */
  onGone(error: CancelledError): void {
    this.#onEnded = undefined;
    this.#text = "";
    this.#options.body.cancel(error);
  }

  /** Writes what was collected. */
  flush(): void {
    this.#isFlushDue = false;
    if (this.#text === "") return;
    const bytes = this.#textBytes;
    this.#settle(bytes, this.#wire.write(this.#takeText()));
  }

  #takeText(): string {
    const text = this.#text;
    this.#text = "";
    this.#textBytes = 0;
    return text;
  }

  #settle(bytes: number, isReady: boolean): void {
    if (!isReady) this.#unconsumedBytes += bytes;
    else if (bytes > 0) this.#options.body.consumed(bytes);
  }

  #flushLater(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#wire.flushLater(this);
  }

  #end(isWhole: boolean): void {
    const onEnded = this.#onEnded;
    this.#onEnded = undefined;
    onEnded?.(isWhole);
  }
}
