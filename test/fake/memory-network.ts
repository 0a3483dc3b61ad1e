import type { Address, ByteSocket, Listener, Network, SocketListener } from "../../core/network.ts";

/** A network inside the process: bytes arrive, copied, as microtasks, so that `settle()` delivers everything. */
export class MemoryNetwork implements Network {
  readonly #listening = new Map<number, (socket: ByteSocket) => SocketListener>();
  readonly sockets = new Set<MemorySocket>();
  #nextPort = 1;
  /** Breaks every connection, as when the process at the other end is killed. */
  breakAll(): void {
    for (const socket of this.sockets) socket.destroy(new Error("read ECONNRESET"));
    this.sockets.clear();
  }

  /** Attempts to connect, refused ones too. */
  connects = 0;
  /** When set, nobody can connect. */
  refuses = false;

  connect(address: Address, listener: (socket: ByteSocket) => SocketListener): Promise<ByteSocket> {
    this.connects += 1;
    const accept = this.#listening.get(address.port);
    if (accept === undefined || this.refuses) return Promise.reject(new Error("connect ECONNREFUSED"));
    const near = new MemorySocket();
    const far = new MemorySocket();
    near.join(far);
    far.join(near);
    this.sockets.add(near);
    near.listener = listener(near);
    far.listener = accept(far);
    return Promise.resolve(near);
  }

  listen(address: Address, onSocket: (socket: ByteSocket) => SocketListener): Promise<Listener> {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    if (this.#listening.has(port)) return Promise.reject(new Error("listen EADDRINUSE"));
    this.#listening.set(port, onSocket);
    return Promise.resolve({
      address: { host: address.host, port },
      close: () => {
        this.#listening.delete(port);
        return Promise.resolve();
      },
    });
  }
}

/** One end of a connection. */
export class MemorySocket implements ByteSocket {
  listener: SocketListener | undefined;
  /** Chunks as they were written. */
  readonly written: Uint8Array[] = [];
  /** When set, what is written goes nowhere, as into a machine that is gone. */
  isHeld = false;
  #peer: MemorySocket | undefined;
  #isClosed = false;

  join(peer: MemorySocket): void {
    this.#peer = peer;
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isClosed) return false;
    this.written.push(chunk);
    const copy = Buffer.from(chunk);
    if (!this.isHeld) queueMicrotask(() => this.#peer?.receive(copy));
    return true;
  }

  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}

  destroy(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    queueMicrotask(() => {
      this.listener?.onClose(error);
      this.#peer?.destroy();
    });
  }

  receive(chunk: Uint8Array): void {
    if (!this.#isClosed) this.listener?.onData(chunk);
  }
}
