/**
 * A request's body as it comes in: whole up to MOST_REPLAYED_BODY_BYTES, else a stream as soon as it is known to be longer.
 * The front that reads the socket pushes; it is asked to pause where nobody keeps up.
 *
 *     gathering ── the end ──▶ whole
 *         │ longer than is held
 *         ▼
 *     streaming ── the end ──▶ ended        either ── too long, too slow, client gone, not wanted ──▶ given up
 *
 * It has no timers: the front's sweep asks `checkPace`.
 */
import { HttpRequestError, PayloadTooLargeError, type ServeError } from "../core/error.ts";
import { MIN_BODY_BYTES_PER_SECOND, MOST_REPLAYED_BODY_BYTES, STREAM_WINDOW_BYTES } from "../core/limits.ts";
import type { Lent } from "../core/network.ts";
import { BodyStream, type Body, type BodyProducer } from "../proto/body.ts";
import { DEFAULT_FRONT_LIMITS, type FrontLimits } from "./http-front.ts";

/** What a body needs of the front that reads it. */
export type IncomingBodyOptions = {
  /** As declared; undefined: chunked, so nobody knows. */
  readonly length: number | undefined;
  readonly mostBytes: number;
  /** Milliseconds on the clock that `checkPace` is asked by. */
  readonly now: number;
  readonly limits?: Pick<FrontLimits, "requestReadTimeoutMs" | "slowBodySpanMs">;
  /** Stop reading from the client, and go on, by turns; a pause never outlasts a body that ends. */
  readonly pause: () => void;
  readonly resume: () => void;
  /**
   * Once: the body is too long, or its receiver wants no more. What still comes is to be read, paused or not,
   * and thrown away, up to MOST_DISCARDED_BYTES. Called from within the constructor where too much was declared.
   */
  readonly onUnwanted: () => void;
};

/** Takes a request's body in. */
export class IncomingBody implements BodyProducer {
  /** The body; see HttpExchange.readBody. Already settled where the head alone tells. */
  readonly result: Promise<Body>;
  readonly #options: IncomingBodyOptions;
  readonly #settlers: PromiseWithResolvers<Body>;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  #stream: BodyStream | undefined;
  #isOver = false;
  #isPaused = false;
  /** Since when its pace is measured, and what had come by then; undefined: from the next look on. */
  #spanAt: number | undefined;
  #spanBytes = 0;

  constructor(options: IncomingBodyOptions) {
    this.#options = options;
    this.#settlers = Promise.withResolvers();
    this.result = this.#settlers.promise;
    this.#spanAt = options.now;
    const { length, mostBytes } = options;
    if (length === 0) this.end();
    else if (length !== undefined && length > mostBytes) this.#refuse();
    else if (length !== undefined && length > MOST_REPLAYED_BODY_BYTES) this.#startStream();
  }

  /** Ended, failed or not wanted: what is pushed now is dropped. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The next bytes; they are the body's to keep. */
  push(chunk: Uint8Array): void {
    this.#take(chunk);
  }

  /** The next bytes, which are only lent. */
  lend(chunk: Uint8Array, onFree: () => void): Lent {
    return this.#take(chunk, onFree);
  }

  /** @param onFree where the chunk is only lent. */
  #take(chunk: Uint8Array, onFree?: () => void): Lent {
    if (this.#isOver) return "free";
    const { length, mostBytes } = this.#options;
    this.#bytes += chunk.byteLength;
    if (this.#bytes > mostBytes) {
      this.#refuse();
      return "free";
    }
    let lent: Lent = "kept";
    if (this.#stream === undefined) {
      this.#parts.push(chunk);
      if (this.#bytes > MOST_REPLAYED_BODY_BYTES) this.#startStream();
    } else lent = this.#write(this.#stream, chunk, onFree);
    // A parser lets no more through than was declared, so there is nothing to wait for.
    if (this.#bytes === length) this.end();
    return lent;
  }

  /** That was all. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#stream === undefined) this.#settlers.resolve(this.#parts);
    else this.#stream.end();
    // What follows on the connection is not the body's to hold up.
    if (this.#isPaused) this.#options.resume();
  }

  /** It breaks off here: the client is gone, say. */
  fail(error: ServeError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#stream === undefined) this.#settlers.reject(error);
    else this.#stream.fail(error);
  }

  /**
   * Fails it where it comes too slowly, and gives the error it failed with. Time in which the front was paused does not
   * count: that is the receiver's.
   */
  checkPace(now: number): ServeError | undefined {
    if (this.#isOver) return undefined;
    const limits = this.#options.limits ?? DEFAULT_FRONT_LIMITS;
    const isLate = this.#stream === undefined && now - this.#options.now >= limits.requestReadTimeoutMs;
    if (!isLate && !this.#isSlow(now, limits.slowBodySpanMs)) return undefined;
    const text = isLate ? "the request's body did not arrive in time" : "the request's body comes too slowly";
    const error = new HttpRequestError("request_timeout", text);
    this.fail(error);
    return error;
  }

  onConsumed(): void {
    if (!this.#isPaused || this.#isOver) return;
    if ((this.#stream?.outstandingBytes ?? 0) >= STREAM_WINDOW_BYTES / 2) return;
    this.#isPaused = false;
    this.#spanAt = undefined;
    this.#options.resume();
  }

  onCancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onUnwanted();
  }

  #isSlow(now: number, slowBodySpanMs: number): boolean {
    const spanMs = this.#spanAt === undefined ? 0 : now - this.#spanAt;
    if (this.#spanAt !== undefined && !this.#isPaused && spanMs < slowBodySpanMs) return false;
    const isSlow = !this.#isPaused && (this.#bytes - this.#spanBytes) * 1_000 < MIN_BODY_BYTES_PER_SECOND * spanMs;
    this.#spanAt = now;
    this.#spanBytes = this.#bytes;
    return isSlow;
  }

  #refuse(): void {
    const { mostBytes, onUnwanted } = this.#options;
    const text = `the body has more than ${mostBytes} bytes: send less, or raise maxRequestBodyBytes`;
    this.fail(new PayloadTooLargeError(text));
    this.#parts.length = 0;
    onUnwanted();
  }

  #startStream(): void {
    const stream = new BodyStream(this, this.#options.length);
    this.#stream = stream;
    this.#settlers.resolve(stream);
    for (const part of this.#parts) this.#write(stream, part);
    this.#parts.length = 0;
  }

  #write(stream: BodyStream, chunk: Uint8Array, onFree?: () => void): Lent {
    let lent: Lent = "kept";
    if (onFree === undefined) stream.write(chunk);
    else lent = stream.lend(chunk, onFree);
    if (this.#isPaused || this.#isOver || stream.outstandingBytes < STREAM_WINDOW_BYTES) return lent;
    this.#isPaused = true;
    this.#options.pause();
    return lent;
  }
}
