import { STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import type { ServeError } from "../../core/error.ts";
import { BodyStream, type BodyProducer } from "../body.ts";
import type { FrameConnection } from "./connection.ts";
import { FRAME } from "./frame.ts";

/** Credit is given back in portions of this: each costs a frame. */
const CREDIT_STEP_BYTES = STREAM_WINDOW_BYTES / 4;

/** What a reader is made of. */
export type BodyReaderOptions = {
  /** Where CREDIT is sent. */
  readonly connection: FrameConnection;
  readonly stream: number;
  /** Bytes it will have, where the peer knows. */
  readonly length: number | undefined;
  /** What the peer may send before it is given any credit: a window, or nothing until somebody receives the body. */
  readonly firstCreditBytes: number;
  /** The receiver wants no more. */
  readonly onCancel: (error: ServeError) => void;
};

/** Makes a body of the DATA frames of one stream, and gives the peer credit as the body is used up. */
export class BodyReader implements BodyProducer {
  readonly body: BodyStream;
  readonly #connection: FrameConnection;
  readonly #stream: number;
  readonly #onCancel: (error: ServeError) => void;
  readonly #isLazy: boolean;
  /** What the peer may still send. */
  #creditBytes: number;
  #consumedBytes = 0;

  constructor({ connection, stream, length, firstCreditBytes, onCancel }: BodyReaderOptions) {
    this.#connection = connection;
    this.#stream = stream;
    this.#onCancel = onCancel;
    this.#isLazy = firstCreditBytes === 0;
    this.#creditBytes = firstCreditBytes;
    this.body = new BodyStream(this, length);
  }

  /** A DATA frame, or a piece of one. False when the peer sent more than it may. */
  onData(bytes: Uint8Array, hasMore: boolean): boolean {
    this.#creditBytes -= bytes.byteLength;
    if (this.#creditBytes < 0) return false;
    if (this.body.lend(bytes) !== "free") this.#connection.keepChunk();
    if (!hasMore) this.body.end();
    return true;
  }

  onReceive(): void {
    if (this.#isLazy) this.#give(STREAM_WINDOW_BYTES);
  }

  onConsumed(bytes: number): void {
    this.#consumedBytes += bytes;
    if (this.#consumedBytes < CREDIT_STEP_BYTES) return;
    const given = this.#consumedBytes;
    this.#consumedBytes = 0;
    this.#give(given);
  }

  onCancel(error: ServeError): void {
    this.#onCancel(error);
  }

  #give(bytes: number): void {
    this.#creditBytes += bytes;
    this.#connection.send(FRAME.CREDIT, this.#stream, String(bytes));
  }
}
