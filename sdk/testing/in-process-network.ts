import type { Address, ByteSocket, Listener, Network, SocketListener } from "../../core/network.ts";

/** A network inside the process: no port, no system call, every byte arrives in order as a microtask. */
export class InProcessNetwork implements Network {
  readonly #listening = new Map<number, (socket: ByteSocket) => SocketListener>();
  #nextPort = 1;

  connect(address: Address, listener: (socket: ByteSocket) => SocketListener): Promise<ByteSocket> {
    const accept = this.#listening.get(address.port);
    if (accept === undefined) return Promise.reject(new Error(`nothing listens at ${address.host}:${address.port}`));
    const near = new InProcessSocket();
    const far = new InProcessSocket();
    near.join(far, listener(near));
    far.join(near, accept(far));
    return Promise.resolve(near);
  }

  listen(address: Address, onSocket: (socket: ByteSocket) => SocketListener): Promise<Listener> {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    this.#listening.set(port, onSocket);
    const close = async (): Promise<void> => void this.#listening.delete(port);
    return Promise.resolve({ address: { host: address.host, port }, close });
  }
}

/** One end of a connection. */
class InProcessSocket implements ByteSocket {
  #peer: InProcessSocket | undefined;
  #listener: SocketListener | undefined;
  #isClosed = false;

  join(peer: InProcessSocket, listener: SocketListener): void {
    this.#peer = peer;
    this.#listener = listener;
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isClosed) return false;
    // Copied, because the writer uses its memory again once it has handed the bytes over.
    const copy = Uint8Array.from(chunk);
    queueMicrotask(() => this.#peer?.receive(copy));
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
      this.#listener?.onClose(error);
      this.#peer?.destroy();
    });
  }

  receive(chunk: Uint8Array): void {
    if (!this.#isClosed) this.#listener?.onData(chunk);
  }
}
