import { byteLengthOf } from "../body.ts";

/**
 * Records in a body that streams: messages of a WebSocket, items of a call that yields.
 *
 *     u8 kind | u32 length, big-endian | payload
 *
 * The pieces of a stream fall anywhere; a record is handed on when it is whole.
 */
export const RECORD = {
  /** A WebSocket message in UTF-8. */
  TEXT: 1,
  /** A WebSocket message of bytes. */
  BINARY: 2,
  /** The end of a WebSocket: u16 code, then the reason in UTF-8; empty: no code was given. */
  CLOSE: 3,
  /** A yielded item, as `value.ts` encodes it. */
  ITEM: 4,
} as const;

/** What a record is. */
export type RecordKind = (typeof RECORD)[keyof typeof RECORD];

const PREFIX_BYTES = 5;

/** A record, to be written in this order. */
export function recordToWire(kind: RecordKind, payload: readonly Uint8Array[]): Uint8Array[] {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix[0] = kind;
  prefix.writeUInt32BE(byteLengthOf(payload), 1);
  return [prefix, ...payload];
}

/** Gets each record when it is whole; the payload is its own memory. `wireBytes`: with its prefix, for `consumed`. */
export type RecordReceiver = (kind: RecordKind, payload: Uint8Array, wireBytes: number) => void;

/** Takes a body apart into records. */
export class RecordReader {
  readonly #mostBytes: number;
  readonly #receive: RecordReceiver;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixFilled = 0;
  #payload: Buffer | undefined;
  #payloadFilled = 0;

  constructor(mostBytes: number, receive: RecordReceiver) {
    this.#mostBytes = mostBytes;
    this.#receive = receive;
  }

  /** Whether a record has begun and not ended: a body may not end here. */
  get isWithin(): boolean {
    return this.#prefixFilled > 0;
  }

  /** Takes the next bytes. Gives the reason when they cannot be records: the stream must then be given up. */
  push(bytes: Uint8Array): string | undefined {
    let at = 0;
    while (at < bytes.byteLength) {
      if (this.#payload === undefined) {
        const take = Math.min(PREFIX_BYTES - this.#prefixFilled, bytes.byteLength - at);
        this.#prefix.set(bytes.subarray(at, at + take), this.#prefixFilled);
        this.#prefixFilled += take;
        at += take;
        if (this.#prefixFilled < PREFIX_BYTES) return undefined;
        const kind = this.#prefix[0] ?? 0;
        const length = this.#prefix.readUInt32BE(1);
        if (kind < RECORD.TEXT || kind > RECORD.ITEM) return `a record has the unknown kind ${kind}`;
        if (length > this.#mostBytes) return `a record has ${length} bytes; at most ${this.#mostBytes} are taken here`;
        this.#payload = Buffer.allocUnsafeSlow(length);
        this.#payloadFilled = 0;
      }
      const payload = this.#payload;
      const take = Math.min(payload.length - this.#payloadFilled, bytes.byteLength - at);
      payload.set(bytes.subarray(at, at + take), this.#payloadFilled);
      this.#payloadFilled += take;
      at += take;
      if (this.#payloadFilled < payload.length) return undefined;
      const kind = this.#prefix[0] as RecordKind;
      this.#payload = undefined;
      this.#prefixFilled = 0;
      this.#receive(kind, payload, PREFIX_BYTES + payload.length);
    }
    return undefined;
  }
}
