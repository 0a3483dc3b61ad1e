/**
 * Bodies of requests and answers: whole, or as they come.
 *
 * A BodyStream has a producer, who made it (a front that reads a client's socket, a link that receives frames, user code
 * that yields), and a receiver, who takes it (a link that sends frames, a front that writes to a client, user code that
 * reads). The receiver says how much it has used up, and the producer keeps what is under way below STREAM_WINDOW_BYTES;
 * so a slow reader at the far end stops the writer at the other, hop by hop, and nothing between them piles up.
 *
 *     open ── end() by the producer ──▶ ended ── all of it received and used up ──▶ settled
 *          ── fail() by the producer; also when ended: cancel() by the receiver, abort() by who stands between ──▶ settled
 */
import type { ServeError } from "../core/error.ts";
import { invariant } from "../core/assert.ts";
import type { Lent } from "../core/network.ts";

/**
 * Takes a body piece by piece, until `onEnd` or `onError`. After `onEnd` nothing follows but, while not all of it is used
 * up and somebody in between breaks it off, `onError`.
 */
export interface BodyReceiver {
  /** The bytes are the receiver's to keep. It says `consumed` when it has used them up. */
  onData(bytes: Uint8Array): void;
  /** As onData, with bytes that are only lent. It says `consumed` as ever. */
  onLentData?(bytes: Uint8Array, onFree?: () => void): Lent;
  onEnd(): void;
  onError(error: ServeError): void;
}

/** What the producer of a body hears of its receiver. */
export interface BodyProducer {
  /** Somebody takes the body now. A producer that is asked for nothing before may begin here. */
  onReceive?(): void;
  /** So many bytes were used up. Not called after the end. */
  onConsumed(bytes: number): void;
  /** The receiver wants no more; the stream is settled. Not called after the end. */
  onCancel(error: ServeError): void;
}

/** A body: all its parts in order (none: empty), or a stream of them. */
export type Body = readonly Uint8Array[] | BodyStream;

/** No body. */
export const EMPTY_BODY: readonly Uint8Array[] = [];

/** A body that comes in pieces; see the head of this file. */
export class BodyStream {
  /** Bytes it will have, where its producer knows. */
  readonly length: number | undefined;
  readonly #producer: BodyProducer;
  #receiver: BodyReceiver | undefined;
  #isTaken = false;
  #waiting: { readonly bytes: Uint8Array; readonly onFree: (() => void) | undefined }[] = [];
  #outstandingBytes = 0;
  /** What came before somebody took the body has been handed over: from then on the receiver hears things at once. */
  #isHandedOver = false;
  #hasEnded = false;
  /** undefined: not settled. */
  #outcome: { readonly error: ServeError | undefined } | undefined;
  #listeners: ((error: ServeError | undefined) => void)[] = [];

  constructor(producer: BodyProducer, length?: number) {
    this.#producer = producer;
    this.length = length;
  }

  /** Bytes written and not yet used up. A producer stops at STREAM_WINDOW_BYTES. */
  get outstandingBytes(): number {
    return this.#outstandingBytes;
  }

  /** Used up to its end, or broken off. */
  get isSettled(): boolean {
    return this.#outcome !== undefined;
  }

  /** Whether somebody takes it: what it held then cannot be had again. */
  get isReceived(): boolean {
    return this.#isTaken;
  }

  /** For the producer: the next bytes. Ignored once it is broken off. */
  write(bytes: Uint8Array): void {
    if (this.#outcome !== undefined || this.#hasEnded || bytes.byteLength === 0) return;
    this.#outstandingBytes += bytes.byteLength;
    if (this.#isHandedOver) this.#receiver?.onData(bytes);
    else this.#waiting.push({ bytes, onFree: undefined });
  }

  /** For the producer: the next bytes, which are only lent. */
  lend(bytes: Uint8Array, onFree?: () => void): Lent {
    if (this.#outcome !== undefined || this.#hasEnded || bytes.byteLength === 0) return "free";
    this.#outstandingBytes += bytes.byteLength;
    if (this.#isHandedOver) return this.#handOver(bytes, onFree);
    this.#waiting.push({ bytes, onFree });
    return onFree === undefined ? "kept" : "held";
  }

  /** For the producer: there is no more. */
  end(): void {
    if (this.#outcome !== undefined || this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#isHandedOver) this.#receiver?.onEnd();
    this.#settleIfUsedUp();
  }

  /** For the producer: it breaks off here. */
  fail(error: ServeError): void {
    if (!this.#hasEnded && this.#settle(error) && this.#isHandedOver) this.#receiver?.onError(error);
  }

  /** For the receiver: takes the body, what has come already at once. Only one may. */
  receive(receiver: BodyReceiver): void {
    invariant(!this.#isTaken, "a body is taken by two receivers");
    this.#isTaken = true;
    this.#receiver = receiver;
    // What is written meanwhile waits its turn behind what came before.
    for (let part = this.#waiting.shift(); part !== undefined; part = this.#waiting.shift()) {
      const { bytes, onFree } = part;
      if (onFree === undefined) receiver.onData(bytes);
      else if (this.#handOver(bytes, onFree) === "free") onFree();
    }
    this.#isHandedOver = true;
    if (this.#outcome?.error !== undefined) this.#receiver?.onError(this.#outcome.error);
    else if (this.#hasEnded) receiver.onEnd();
    else this.#producer.onReceive?.();
    this.#settleIfUsedUp();
  }

  /** For the receiver: so many bytes are used up. */
  consumed(bytes: number): void {
    this.#outstandingBytes -= bytes;
    if (this.#hasEnded) this.#settleIfUsedUp();
    else if (this.#outcome === undefined) this.#producer.onConsumed(bytes);
  }

  /** For the receiver, or for whoever drops the body unread: no more is wanted. The receiver hears nothing more. */
  cancel(error: ServeError): void {
    if (!this.#settle(error)) return;
    this.#waiting = [];
    this.#receiver = undefined;
    if (!this.#hasEnded) this.#producer.onCancel(error);
  }

  /** For whoever stands between the two: breaks it off, and tells both. */
  abort(error: ServeError): void {
    if (!this.#settle(error)) return;
    this.#waiting = [];
    if (!this.#hasEnded) this.#producer.onCancel(error);
    if (this.#isHandedOver) this.#receiver?.onError(error);
  }

  /** Calls back once when it is settled, at once if it is: undefined after a clean end. */
  onSettled(listener: (error: ServeError | undefined) => void): void {
    if (this.#outcome === undefined) this.#listeners.push(listener);
    else listener(this.#outcome.error);
  }

  #handOver(bytes: Uint8Array, onFree: (() => void) | undefined): Lent {
    const receiver = this.#receiver;
    if (receiver?.onLentData !== undefined) return receiver.onLentData(bytes, onFree);
    receiver?.onData(bytes);
    return "kept";
  }

  #settleIfUsedUp(): void {
    if (this.#hasEnded && this.#isHandedOver && this.#outstandingBytes === 0) this.#settle(undefined);
  }

  #settle(error: ServeError | undefined): boolean {
    if (this.#outcome !== undefined) return false;
    this.#outcome = { error };
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(error);
    return true;
  }
}

/** Bytes of all parts together. */
export function byteLengthOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return bytes;
}

/** Whether a body comes in pieces. */
export function isStream(body: Body): body is BodyStream {
  return body instanceof BodyStream;
}
