/**
 * Makes a body of what user code gives piece by piece: an iterator's items, a web stream's chunks.
 *
 *     waiting ── first piece, or a long silence ──▶ started ──▶ ended, failed or cancelled
 *        └───── the source throws, or the request is cancelled ──▶ rejected: nothing was sent, the answer is an error
 *
 * The source is asked for the next piece only while less than a window is under way. When nobody wants more, the source is
 * stopped: an iterator's `return()`, a stream's `cancel()`.
 */
import type { Cancellation } from "../../core/cancellation.ts";
import type { Clock, Timer } from "../../core/clock.ts";
import { CancelledError, type ServeError } from "../../core/error.ts";
import { STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import { BodyStream, type BodyProducer } from "../../proto/body.ts";

/** Where the pieces come from. */
export type PumpSource = {
  next(): PromiseLike<PumpStep> | PumpStep;
  /** No more is wanted. What it throws or rejects with is the echo of that. */
  stop(reason: ServeError): unknown;
};

/** One piece, or the end. */
export type PumpStep = { readonly done?: boolean | undefined; readonly value?: unknown };

/** What a pump is made of. */
export type PumpOptions = {
  readonly source: PumpSource;
  /** Writes a piece into the body; may throw, which ends it. */
  readonly write: (body: BodyStream, piece: unknown) => Promise<void> | void;
  /** What follows the last piece; undefined: nothing. */
  readonly end?: Uint8Array | undefined;
  /** What is written into a silence, and how long that is; undefined: nothing ever is. */
  readonly silence?: { readonly clock: Clock; readonly afterMs: number; readonly bytes: Uint8Array } | undefined;
  /** Bytes it will have, where known. */
  readonly length?: number | undefined;
  /** The error that a started body ends with. */
  readonly toError: (thrown: unknown) => ServeError;
  readonly cancellation: Cancellation;
};

/**
 * Starts to pump. Resolves with the body once there is something of it, or once it has been silent for long; rejects with
 * what the source threw, or the reason of the cancellation, before that.
 */
export function pumpBody(options: PumpOptions): Promise<BodyStream> {
  return new Promise((resolve, reject) => new BodyPump(options, resolve, reject).start());
}

class BodyPump implements BodyProducer {
  readonly #options: PumpOptions;
  readonly #body: BodyStream;
  readonly #resolve: (body: BodyStream) => void;
  readonly #reject: (thrown: unknown) => void;
  #hasStarted = false;
  #onRoom: (() => void) | undefined;
  #timer: Timer | undefined;
  #writtenAt = 0;

  constructor(options: PumpOptions, resolve: (body: BodyStream) => void, reject: (thrown: unknown) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#body = new BodyStream(this, options.length);
  }

  start(): void {
    const unsubscribe = this.#options.cancellation.onCancel((reason) => this.#body.cancel(reason));
    this.#body.onSettled(() => {
      unsubscribe();
      this.#timer?.cancel();
    });
    if (this.#body.isSettled) return;
    this.#watchSilence();
    void this.#run();
  }

  onConsumed(): void {
    if (this.#body.outstandingBytes < STREAM_WINDOW_BYTES) this.#wake();
  }

  onCancel(reason: ServeError): void {
    this.#reject(reason);
    this.#wake();
    this.#stop(reason);
  }

  async #run(): Promise<void> {
    const body = this.#body;
    const { source, write, end, silence } = this.#options;
    try {
      while (!body.isSettled) {
        const { done, value } = await source.next();
        if (body.isSettled) return;
        if (done === true) break;
        const writing = write(body, value);
        if (writing !== undefined) await writing;
        if (silence !== undefined) this.#writtenAt = silence.clock.now();
        this.#started();
        if (body.outstandingBytes >= STREAM_WINDOW_BYTES) await this.#room();
      }
      if (end !== undefined) body.write(end);
      this.#started();
      body.end();
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  #started(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#resolve(this.#body);
  }

  #failed(thrown: unknown): void {
    if (this.#body.isSettled) return;
    if (this.#hasStarted) {
      const error = this.#options.toError(thrown);
      this.#body.fail(error);
      this.#stop(error);
      return;
    }
    this.#reject(thrown);
    // Nobody has the body: this ends the timer, and the source where it was the writing that failed.
    this.#body.cancel(new CancelledError("the stream failed before it began", { cause: thrown }));
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }

  #wake(): void {
    const wake = this.#onRoom;
    this.#onRoom = undefined;
    wake?.();
  }

  #stop(reason: ServeError): void {
    const stop = async (): Promise<unknown> => this.#options.source.stop(reason);
    // What a source says to being stopped concerns nobody any more.
    stop().catch(() => undefined);
  }

  #watchSilence(): void {
    const { silence } = this.#options;
    if (silence === undefined) return;
    const { clock, afterMs, bytes } = silence;
    this.#writtenAt = clock.now();
    const look = (): void => {
      const quietMs = clock.now() - this.#writtenAt;
      // Bytes that the client has not taken yet are no silence of ours.
      if (quietMs >= afterMs && this.#body.outstandingBytes === 0) {
        this.#writtenAt = clock.now();
        this.#body.write(bytes);
        this.#started();
      }
      this.#timer = clock.after(quietMs >= afterMs ? afterMs : afterMs - quietMs, look);
    };
    this.#timer = clock.after(afterMs, look);
  }
}
