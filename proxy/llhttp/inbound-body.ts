/**
 * A request's body on its connection: finds its end among the bytes that come in, and hands them to whoever reads it.
 * Nobody may have asked yet (then the connection pauses after the first bytes), or nobody may want it (then it is thrown
 * away, up to a bound, so that the client can go on to its next request).
 *
 *     unread ── read() ──▶ read ──┬── its end ──▶ complete
 *        └──── discard() ────▶ discarded ─┘           breakOff(), from any but complete ──▶ broken
 */
import type { ServeError } from "../../core/error.ts";
import { MOST_DISCARDED_BYTES, MOST_REPLAYED_BODY_BYTES } from "../../core/limits.ts";
import type { Lent } from "../../core/network.ts";
import type { Body } from "../../proto/body.ts";
import type { FrontLimits } from "../http-front.ts";
import { IncomingBody } from "../request-body.ts";
import type { ChunkedParser } from "./parser.ts";

/** What a body is made from. */
export type InboundBodyOptions = {
  /** As declared; undefined: chunked. */
  readonly length: number | undefined;
  readonly chunked: ChunkedParser | undefined;
  readonly limits: FrontLimits;
  /** `isBlocked` may have changed. */
  readonly onFlow: () => void;
};

/** One request's body; see the head of this file. */
export class InboundBody {
  readonly #options: InboundBodyOptions;
  /** Bytes that were declared and have not come. */
  #leftBytes: number;
  #isComplete = false;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #incoming: IncomingBody | undefined;
  #isPaused = false;
  #isUnwanted = false;
  #unwantedAt: number | undefined;
  #discardedBytes = 0;
  #error: ServeError | undefined;

  constructor(options: InboundBodyOptions) {
    this.#options = options;
    this.#leftBytes = options.length ?? 0;
  }

  /** All of it has come; what follows is the next request. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Whether reading on would only fill memory. */
  get isBlocked(): boolean {
    if (this.#isComplete || this.#isUnwanted) return false;
    return this.#isPaused || (this.#incoming === undefined && this.#earlyBytes > 0);
  }

  /** Whether nobody has asked for it, and more is to come. */
  get isUnread(): boolean {
    return this.#incoming === undefined && !this.#isComplete;
  }

  /** Whether somebody may still read it. */
  get isWanted(): boolean {
    return !this.#isUnwanted;
  }

  /** Whether more was thrown away than a client may go on sending. */
  get isFlooded(): boolean {
    return this.#discardedBytes > MOST_DISCARDED_BYTES;
  }

  /** Why no more of it can be understood; all that comes after is thrown away. */
  get error(): ServeError | undefined {
    return this.#error;
  }

  /** Takes what belongs to it from the bytes that came in, and says how many that were. */
  take(bytes: Buffer): number {
    if (this.#error !== undefined) {
      this.#discardedBytes += bytes.length;
      return bytes.length;
    }
    return this.#options.chunked === undefined ? this.#takeDeclared(bytes) : this.#takeChunked(bytes);
  }

  /** As `take`, with bytes that are only lent, all its own. undefined: not taken. */
  lend(bytes: Buffer, onFree: () => void): Lent | undefined {
    const isPlain = this.#options.chunked === undefined && this.#error === undefined && !this.#isUnwanted;
    if (!isPlain || this.#incoming === undefined || bytes.length > this.#leftBytes) return undefined;
    this.#leftBytes -= bytes.length;
    if (this.#leftBytes === 0) this.#isComplete = true;
    return this.#incoming.lend(bytes, onFree);
  }

  /** See HttpExchange.readBody. */
  read(mostBytes: number): Promise<Body> {
    if (this.#isComplete && this.#earlyBytes <= mostBytes && this.#earlyBytes <= MOST_REPLAYED_BODY_BYTES) {
      return Promise.resolve(this.#early);
    }
    const { length, limits, onFlow } = this.#options;
    const incoming = new IncomingBody({
      length,
      mostBytes,
      now: performance.now(),
      limits,
      pause: () => {
        this.#isPaused = true;
        onFlow();
      },
      resume: () => {
        this.#isPaused = false;
        onFlow();
      },
      onUnwanted: () => {
        this.#isUnwanted = true;
        onFlow();
      },
    });
    this.#incoming = incoming;
    for (const part of this.#early) incoming.push(part);
    this.#early = [];
    if (this.#isComplete) incoming.end();
    else if (this.#error !== undefined) incoming.fail(this.#error);
    onFlow();
    return incoming.result;
  }

  /** Nobody wants the rest: it is read and thrown away. Whoever reads it hears `error`. */
  discard(error: ServeError): void {
    this.#incoming?.fail(error);
    this.#isUnwanted = true;
    this.#early = [];
    this.#options.onFlow();
  }

  /** No more of it will be understood. Whoever reads it, now or later, hears why. */
  breakOff(error: ServeError): void {
    if (this.#isComplete || this.#error !== undefined) return;
    this.#error = error;
    this.#options.chunked?.close();
    this.discard(error);
  }

  /** Breaks it off where it comes too slowly, and says whether it did. For the sweep. */
  checkPace(now: number): boolean {
    if (this.#isComplete) return false;
    if (this.#isUnwanted) {
      this.#unwantedAt ??= now;
      return now - this.#unwantedAt >= this.#options.limits.requestReadTimeoutMs;
    }
    const error = this.#incoming?.checkPace(now);
    if (error === undefined) return false;
    this.breakOff(error);
    return true;
  }

  #takeDeclared(bytes: Buffer): number {
    const takenBytes = Math.min(bytes.length, this.#leftBytes);
    this.#leftBytes -= takenBytes;
    if (this.#leftBytes === 0) this.#isComplete = true;
    this.#deliver(takenBytes === bytes.length ? bytes : bytes.subarray(0, takenBytes));
    return takenBytes;
  }

  #takeChunked(bytes: Buffer): number {
    let takenBytes = 0;
    while (takenBytes < bytes.length && !this.#isComplete) {
      const part = this.#options.chunked?.feed(takenBytes === 0 ? bytes : bytes.subarray(takenBytes));
      if (part === undefined) break;
      takenBytes += part.consumedBytes;
      this.#isComplete = part.isEnd && part.error === undefined;
      if (part.data !== undefined) this.#deliver(part.data);
      if (part.error !== undefined) {
        this.breakOff(part.error);
        return bytes.length;
      }
      if (part.isEnd) this.#incoming?.end();
    }
    return takenBytes;
  }

  #deliver(data: Buffer): void {
    if (this.#isUnwanted) this.#discardedBytes += data.length;
    else if (this.#incoming !== undefined) this.#incoming.push(data);
    else if (data.length > 0) {
      this.#early.push(data);
      this.#earlyBytes += data.length;
    }
  }
}
