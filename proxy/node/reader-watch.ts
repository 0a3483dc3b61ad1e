import type { Socket } from "node:net";

/** Watches whether a client reads what waits for it. */
export class ReaderWatch {
  readonly #socket: Socket;
  /** How far it had read when it was last seen to, and when that was. */
  #read: { readonly bytes: number; readonly queuedBytes: number; readonly at: number } | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Asked now and then: whether the client has read nothing for so long, though something waits for it. */
  isStalled(now: number, mostMs: number): boolean {
    const socket = this.#socket;
    if (socket.writableLength === 0) {
      this.#read = undefined;
      return false;
    }
    const bytes = socket.bytesWritten - socket.writableLength;
    // A large write is done as a whole; only the handle, which is Node's own, knows how far it is.
    const { _handle: handle } = socket as { readonly _handle?: { readonly writeQueueSize?: number } | null };
    const queuedBytes = handle?.writeQueueSize ?? 0;
    const before = this.#read;
    if (before?.bytes === bytes && before.queuedBytes === queuedBytes) return now - before.at >= mostMs;
    this.#read = { bytes, queuedBytes, at: now };
    return false;
  }
}
