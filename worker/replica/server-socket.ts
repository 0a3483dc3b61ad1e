/**
 * A client's WebSocket in its replica: messages come and go as records in the two bodies of one exchange; the proxy speaks
 * the protocol.
 *
 *     open ── close(), goAway(), the handler's end ──▶ closing: a CLOSE record, then the body's end
 *          ── the client closes, or is gone ──▶ iteration ends; sending does nothing once the body is broken off
 */
import { CancelledError, InternalError, PayloadTooLargeError, QueueFullError } from "../../core/error.ts";
import { MOST_SOCKET_MESSAGE_BYTES, MOST_UNREAD_SOCKET_BYTES, STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import { BodyStream, type BodyProducer } from "../../proto/body.ts";
import { RECORD } from "../../proto/codec/record.ts";
import { LAST_RECORD, RecordStream, writeRecord } from "../../proto/record-stream.ts";
import type { ServerWebSocket } from "../../sdk/server-web-socket.ts";

/** A CLOSE frame has room for so much beside its code. */
const MOST_REASON_BYTES = 123;
const ROOM = Promise.resolve();

/** Close codes of RFC 6455 and its registry that an endpoint may send. */
const SENDABLE_CODES = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]);

/** What user code holds as `socket`. */
export class ServerSocket implements ServerWebSocket, BodyProducer {
  /** What it sends, for the answer. */
  readonly sent: BodyStream = new BodyStream(this);
  readonly #messages: RecordStream<string | Uint8Array>;
  #isClosed = false;
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  /** @param received what the client sends. */
  constructor(received: BodyStream) {
    this.#messages = new RecordStream(received, {
      mostBytes: MOST_SOCKET_MESSAGE_BYTES,
      decode: toMessage,
      isLossAnEnd: true,
    });
  }

  /** Leaving a loop leaves what comes next for another; nothing is lost, and the connection stays. */
  [Symbol.asyncIterator](): AsyncIterator<string | Uint8Array> {
    return { next: () => this.#messages.next() };
  }

  send(message: string | Uint8Array): Promise<void> {
    const isText = typeof message === "string";
    if (!isText && !(message instanceof Uint8Array)) {
      return Promise.reject(new TypeError("socket.send(message) takes a string or a Uint8Array"));
    }
    if (this.#isClosed || this.sent.isSettled) return ROOM;
    // Bytes are copied: the caller may use its memory again at once.
    const bytes = isText ? Buffer.from(message) : Buffer.from(message);
    if (bytes.byteLength > MOST_SOCKET_MESSAGE_BYTES) {
      const text = `a WebSocket message has ${bytes.byteLength} bytes; at most ${MOST_SOCKET_MESSAGE_BYTES} can be sent`;
      return Promise.reject(new PayloadTooLargeError(text));
    }
    writeRecord(this.sent, isText ? RECORD.TEXT : RECORD.BINARY, [bytes]);
    const unreadBytes = this.sent.outstandingBytes;
    if (unreadBytes < STREAM_WINDOW_BYTES) return ROOM;
    if (unreadBytes > MOST_UNREAD_SOCKET_BYTES) {
      this.#lose(new QueueFullError(`a WebSocket's client has left ${unreadBytes} bytes unread: await socket.send()`));
      return ROOM;
    }
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  close(code = 1000, reason = ""): void {
    const isSendable = SENDABLE_CODES.has(code) || (Number.isInteger(code) && code >= 3000 && code <= 4999);
    if (!isSendable) throw new RangeError(`socket.close: ${code} is not a close code that can be sent`);
    const text = Buffer.from(reason);
    if (text.byteLength > MOST_REASON_BYTES) {
      throw new RangeError(`socket.close: the reason has ${text.byteLength} bytes; at most ${MOST_REASON_BYTES} fit`);
    }
    if (this.#isClosed) return;
    this.#isClosed = true;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    writeRecord(this.sent, RECORD.CLOSE, [payload, text]);
    this.sent.end();
    this.#messages.stop(new CancelledError("the WebSocket was closed by its replica"));
    this.#wake();
  }

  onConsumed(): void {
    if (this.sent.outstandingBytes < STREAM_WINDOW_BYTES) this.#wake();
  }

  onCancel(): void {
    this.#isClosed = true;
    this.#messages.stop(new CancelledError("the WebSocket is gone"));
    this.#wake();
  }

  #lose(error: QueueFullError): void {
    this.#isClosed = true;
    this.sent.fail(error);
    this.#messages.stop(error);
    this.#wake();
  }

  #wake(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

function toMessage(kind: number, payload: Uint8Array): string | Uint8Array | typeof LAST_RECORD {
  if (kind === RECORD.TEXT) return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString();
  if (kind === RECORD.BINARY) return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  if (kind === RECORD.CLOSE) return LAST_RECORD;
  throw new InternalError(`a record of kind ${kind} has no place in a WebSocket`);
}
