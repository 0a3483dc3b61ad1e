/** Where something listens. */
export type Address = { readonly host: string; readonly port: number };

/**
 * What became of bytes that were lent: nobody needs them any more ("free"), they are needed until `onFree` is called
 * ("held"; only where there is one), or somebody has kept them and their memory is no longer the lender's ("kept").
 */
export type Lent = "free" | "held" | "kept";

/** What a socket tells its owner. */
export interface SocketListener {
  /** Bytes came in. The chunk belongs to the listener and is never reused. */
  onData(chunk: Uint8Array): void;
  /** As onData, with a chunk that is only lent. */
  onLentData?(chunk: Uint8Array): Lent;
  /** The send buffer is empty again after `write` returned false. */
  onDrain(): void;
  /** The socket is gone, for whichever reason; called exactly once, last. */
  onClose(error: Error | undefined): void;
}

/** A byte stream to a peer. Real ones are TCP; the simulation has its own. */
export interface ByteSocket {
  /** Queues bytes in order. False: the buffer is over its high-water mark, wait for `onDrain` before more bulk. */
  write(chunk: Uint8Array, onWritten?: () => void): boolean;
  /** Bytes of chunks whose memory is still needed; falls before an `onWritten` is called. undefined: nobody knows. */
  readonly unsentBytes?: number;
  /** Holds writes back until `uncork`, so that several chunks leave in one system call. */
  cork(): void;
  uncork(): void;
  /** Stops and restarts `onData`, which pushes back on the peer. */
  pause(): void;
  resume(): void;
  /** Closes at once; what is not yet sent is lost. */
  destroy(error?: Error): void;
}

/** A listening socket. */
export interface Listener {
  readonly address: Address;
  /** Stops accepting; sockets that are open stay open. */
  close(): Promise<void>;
}

/** The only way to the network for code that also runs in the simulation. */
export interface Network {
  /** Resolves when connected; rejects with the cause, at the latest after `timeoutMs`. */
  connect(address: Address, listener: (socket: ByteSocket) => SocketListener, timeoutMs: number): Promise<ByteSocket>;
  /** Port 0 picks a free one. Rejects with the cause, for instance EADDRINUSE. */
  listen(address: Address, onSocket: (socket: ByteSocket) => SocketListener): Promise<Listener>;
}
