/**
 * Records of a body as an async iterator: items of a call that yields, messages of a WebSocket.
 *
 * Whoever iterates sets the pace. Bytes count as used up when their record is taken, so an iterator that stands still
 * stops the writer at the other end. One exception: the beginning of a record behind which nothing waits is used up as it
 * comes, because a record may be longer than the window that its writer has.
 */
import { CancelledError, InternalError, type ServeError } from "../core/error.ts";
import { byteLengthOf, type BodyStream } from "./body.ts";
import { RecordReader, recordToWire, type RecordKind } from "./codec/record.ts";

/** Answer of a decoder: this record was the last. */
export const LAST_RECORD = Symbol("last record");

/** What a record stream is made of. */
export type RecordStreamOptions<T> = {
  /** Longest record that is taken. */
  readonly mostBytes: number;
  /** A record as what iteration gives; may throw, which fails the iteration. */
  readonly decode: (kind: RecordKind, payload: Uint8Array) => T | typeof LAST_RECORD;
  /** Iteration ends where the stream breaks off, as it does after its last record. Default: it throws. */
  readonly isLossAnEnd?: boolean;
};

type Taken<T> = {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
};

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** The records of a body, one at a time; giving up the iteration cancels the body. */
export class RecordStream<T> implements AsyncIterableIterator<T, undefined> {
  readonly #body: BodyStream;
  readonly #options: RecordStreamOptions<T>;
  readonly #reader: RecordReader;
  /** Whole records that nobody has taken; no more than the window holds. */
  readonly #queue: { readonly value: T; readonly endsAtByte: number }[] = [];
  /** Callers of `next` that nothing has come for. */
  readonly #takers: Taken<T>[] = [];
  #receivedBytes = 0;
  #recordBytes = 0;
  #consumedBytes = 0;
  #outcome: { readonly error: unknown } | undefined;

  constructor(body: BodyStream, options: RecordStreamOptions<T>) {
    this.#body = body;
    this.#options = options;
    this.#reader = new RecordReader(options.mostBytes, (kind, payload, bytes) => this.#onRecord(kind, payload, bytes));
    body.receive({
      onData: (bytes) => this.#onData(bytes),
      onEnd: () =>
        this.#settle(this.#reader.isWithin ? new InternalError("a stream ended within a record") : undefined),
      onError: (error) => this.#settle(options.isLossAnEnd === true ? undefined : error),
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const first = this.#queue.shift();
    if (first !== undefined) {
      this.#consumeTo(this.#queue.length === 0 ? this.#receivedBytes : first.endsAtByte);
      return Promise.resolve({ done: false, value: first.value });
    }
    if (this.#outcome === undefined) {
      return new Promise((resolve, reject) => void this.#takers.push({ resolve, reject }));
    }
    const { error } = this.#outcome;
    // An error is told once; whoever asks again hears that it is over.
    this.#outcome = { error: undefined };
    return error === undefined ? Promise.resolve(END) : Promise.reject(error as Error);
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.stop(new CancelledError("the receiver reads no more of the stream"));
    return Promise.resolve(END);
  }

  /** Ends the iteration here: what has come and was not taken is dropped, what is to come is not wanted. */
  stop(reason: ServeError): void {
    this.#queue.length = 0;
    this.#settle(undefined);
    this.#body.cancel(reason);
  }

  #onData(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.byteLength;
    if (this.#outcome === undefined) this.#push(bytes);
    if (this.#queue.length === 0) this.#consumeTo(this.#receivedBytes);
  }

  #push(bytes: Uint8Array): void {
    try {
      const problem = this.#reader.push(bytes);
      if (problem === undefined) return;
      this.#breakOff(new InternalError(`a stream cannot be read: ${problem}`));
    } catch (thrown) {
      this.#breakOff(thrown);
    }
  }

  #breakOff(error: unknown): void {
    this.#settle(error);
    this.#body.cancel(new CancelledError("the stream cannot be read", { cause: error }));
  }

  #onRecord(kind: RecordKind, payload: Uint8Array, bytes: number): void {
    if (this.#outcome !== undefined) return;
    this.#recordBytes += bytes;
    const value = this.#options.decode(kind, payload);
    if (value === LAST_RECORD) {
      this.#settle(undefined);
      return;
    }
    const taker = this.#takers.shift();
    if (taker === undefined) this.#queue.push({ value, endsAtByte: this.#recordBytes });
    else taker.resolve({ done: false, value });
  }

  #consumeTo(byte: number): void {
    const bytes = byte - this.#consumedBytes;
    if (bytes <= 0) return;
    this.#consumedBytes = byte;
    this.#body.consumed(bytes);
  }

  #settle(error: unknown): void {
    if (this.#outcome !== undefined) return;
    const [first, ...others] = this.#takers.splice(0);
    this.#outcome = { error: first === undefined ? error : undefined };
    if (error === undefined) first?.resolve(END);
    else first?.reject(error);
    for (const taker of others) taker.resolve(END);
  }
}

/** Records shorter than this are written in one piece: a piece costs more than copying them. */
const MOST_JOINED_BYTES = 4_096;

/** Writes a record into a body. Answers with its length on the wire. */
export function writeRecord(body: BodyStream, kind: RecordKind, payload: readonly Uint8Array[]): number {
  const parts = recordToWire(kind, payload);
  const bytes = byteLengthOf(parts);
  if (bytes <= MOST_JOINED_BYTES) body.write(Buffer.concat(parts, bytes));
  else for (const part of parts) body.write(part);
  return bytes;
}
