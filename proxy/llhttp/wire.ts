/**
 * One client's socket as its connection writes to it and leaves it.
 *
 *     open ── end() ──▶ ending ── all is sent ──▶ lingering ── the client has closed, or had time to ──▶ closed
 *      └── handOver() ──▶ no longer ours
 *
 * Lingering: closing a socket with bytes unread resets it, and the client might lose the answer that says why.
 */
import type { Socket } from "node:net";
import { MOST_DISCARDED_BYTES } from "../../core/limits.ts";
import type { FrontLimits } from "../http-front.ts";
import type { Flushable, FlushQueue } from "./flush-queue.ts";

/** How long a client that was refused has to read why and close, milliseconds. */
const LINGER_MS = 2_000;

/** The writing side of a connection; see the head of this file. */
export class Wire {
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #limits: FrontLimits;
  readonly #flushes: FlushQueue;
  readonly #keepAliveLines: string;
  #isPaused = false;
  #isEnding = false;
  #isLingering = false;
  #lingerAt: number | undefined;
  #discardedBytes = 0;
  #unsent: { readonly bytes: number; readonly queued: number; readonly at: number } | undefined;

  constructor(socket: Socket, limits: FrontLimits, flushes: FlushQueue) {
    this.#socket = socket;
    this.#limits = limits;
    this.#flushes = flushes;
    this.remoteAddress = socket.remoteAddress ?? "";
    const seconds = Math.floor(limits.keepAliveMs / 1_000);
    this.#keepAliveLines = `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`;
  }

  /** Where the client has connected to. */
  get local(): { readonly address: string; readonly port: number } {
    return { address: this.#socket.localAddress ?? "", port: this.#socket.localPort ?? 0 };
  }

  /** Whether answers may be written. */
  get isOpen(): boolean {
    return !this.#isEnding && this.#socket.writable;
  }

  /** Whether it has more to send than it should take. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** What an answer says of its connection. */
  connectionLines(isKeepAlive: boolean): string {
    return isKeepAlive ? this.#keepAliveLines : "Connection: close\r\n";
  }

  /** Each character is a byte. False: pause until it has drained. */
  write(text: string): boolean {
    return this.#socket.write(text, "latin1");
  }

  /** As above, for text that may have other characters. */
  writeUtf8(text: string): void {
    this.#socket.write(text);
  }

  /** A head and the body's parts, by reference. */
  writeParts(head: string, parts: readonly Uint8Array[]): void {
    this.#socket.cork();
    this.#socket.write(head, "latin1");
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }

  /** Bytes by reference between two texts, either of which may be empty. */
  writeFramed(before: string, bytes: Uint8Array, after: string): boolean {
    this.#socket.cork();
    if (before !== "") this.#socket.write(before, "latin1");
    let isReady = this.#socket.write(bytes);
    if (after !== "") isReady = this.#socket.write(after, "latin1");
    this.#socket.uncork();
    return isReady;
  }

  /** Calls `flush` at the end of this turn. */
  flushLater(writer: Flushable): void {
    this.#flushes.add(writer);
  }

  /** Stops and restarts reading. */
  setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Closes it when all is sent, and where bytes may be left unread once the client has closed too. */
  end(isLingering: boolean): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (!isLingering) {
      this.#socket.destroySoon();
      return;
    }
    this.setPaused(false);
    this.#socket.end(() => {
      this.#isLingering = true;
    });
  }

  /** Cuts it off; `isReset` where a clean close could be taken for the end of an answer. */
  breakOff(isReset: boolean): void {
    this.#isEnding = true;
    if (isReset) this.#socket.resetAndDestroy();
    else this.#socket.destroySoon();
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Bytes that nobody wants. */
  discard(bytes: number): void {
    this.#discardedBytes += bytes;
    if (this.#discardedBytes > MOST_DISCARDED_BYTES) this.#socket.destroy();
  }

  /** For the sweep: cuts off a client that does not read, or does not leave. */
  check(now: number): void {
    if (this.#isStalled(now)) this.#socket.resetAndDestroy();
    else if (this.#isLingering) {
      this.#lingerAt ??= now;
      if (now - this.#lingerAt >= LINGER_MS) this.#socket.destroy();
    }
  }

  /** Whether the client has read nothing for too long of what waits for it. */
  #isStalled(now: number): boolean {
    const socket = this.#socket;
    if (socket.writableLength === 0) {
      this.#unsent = undefined;
      return false;
    }
    const bytes = socket.bytesWritten - socket.writableLength;
    // Large writes complete as a whole; only the handle knows how far one is.
    const queued = (socket as { readonly _handle?: { readonly writeQueueSize?: number } })._handle?.writeQueueSize ?? 0;
    const before = this.#unsent;
    if (before?.bytes === bytes && before.queued === queued) return now - before.at >= this.#limits.readerStallMs;
    this.#unsent = { bytes, queued, at: now };
    return false;
  }
}
