/**
 * Reads of sockets without new memory for each, and without one that has much to say keeping the others from theirs.
 *
 * Node gives every read 64 KB of new memory, which garbage collection pays for: for every 64 MB of it the engine starts a
 * full collection. With bodies of 64 KB and more that was half of what a request cost. So what comes is read into memory that stays:
 *
 *     shared by all ── a large read ──▶ a block of its own ── a few small reads in a row ──▶ shared by all
 *
 * A small read is copied, and is its listener's to keep. A large one is only lent, so that it can be written on, or copied
 * to its place, without a copy between; where the listener holds or keeps it, the next read gets another block.
 *
 * A socket that fills one read after the other waits for its turns (read-turns.ts).
 */
import { connect, type OnReadOpts, Socket } from "node:net";
import type { Lent } from "../core/network.ts";
import { mayReadOn } from "./read-turns.ts";

/** As much as Node reads at a time. */
const READ_BYTES = 64 * 1024;
/** A read below this is copied; so a block that is kept is never more than twice what it holds. */
const LARGE_READ_BYTES = READ_BYTES / 2;
/** Small reads in a row after which a socket gives up its block. */
const MOST_SMALL_READS = 8;
/** Blocks that are free and kept for the next large read: 4 MB at most. */
const MOST_FREE_BLOCKS = 64;

/** Whom reads are for. */
export interface ReadListener {
  /** Bytes came in: the listener's to keep. False: stop reading until the stream asks for more, or is resumed. */
  onData(bytes: Buffer): boolean;
  /** Bytes came in, lent for the length of the call, or until `onFree`. */
  onLentData(bytes: Buffer, onFree: () => void): Lent;
}

/** Memory for large reads. */
type Block = { readonly memory: Buffer; readonly onFree: () => void };

const freeBlocks: Block[] = [];
/** For all sockets without a block: nothing in it outlasts the read. */
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

function takeBlock(): Block {
  const free = freeBlocks.pop();
  if (free !== undefined) return free;
  const block: Block = { memory: Buffer.allocUnsafeSlow(READ_BYTES), onFree: () => release(block) };
  return block;
}

function release(block: Block): void {
  if (freeBlocks.length < MOST_FREE_BLOCKS) freeBlocks.push(block);
}

/** The reads of one socket. */
export class SocketReads implements OnReadOpts {
  readonly #listener: ReadListener;
  #block: Block | undefined;
  #isBulk = false;
  #smallReads = 0;
  /** In a row: a body of 64 KB is one, and what is left of it. */
  #fullReads = 0;
  #isWaiting = false;
  /** Whose they are; known once it is made. */
  socket: Socket | undefined;
  /** Where the next read goes. */
  readonly buffer = (): Uint8Array => {
    if (!this.#isBulk) return shared;
    this.#block ??= takeBlock();
    return this.#block.memory;
  };
  readonly callback = (length: number, memory: Uint8Array): boolean => {
    const bytes = (memory as Buffer).subarray(0, length);
    if (length < LARGE_READ_BYTES) return this.#onSmall(bytes);
    this.#smallReads = 0;
    const block = this.#block;
    if (block === undefined || memory !== block.memory) {
      this.#isBulk = true;
      const copy = Buffer.allocUnsafeSlow(length);
      copy.set(bytes);
      return this.#listener.onData(copy) && this.#isStillOn(length);
    }
    if (this.#listener.onLentData(bytes, block.onFree) !== "free") this.#block = undefined;
    return this.#isStillOn(length);
  };

  constructor(listener: ReadListener) {
    this.#listener = listener;
  }

  /** Its turn has come; its listener may have stopped it meanwhile. */
  readonly #goOn = (): void => {
    this.#isWaiting = false;
    if (this.socket?.destroyed === false && !this.socket.isPaused()) this.socket.resume();
  };

  #isStillOn(length: number): boolean {
    const { socket } = this;
    // Handed over to who reads it as a stream, which asks for more when it has room.
    if (socket !== undefined && socket.readableLength >= socket.readableHighWaterMark) return false;
    // A read that is not full has emptied the socket.
    if (length < READ_BYTES) {
      this.#fullReads = 0;
      return true;
    }
    this.#fullReads += 1;
    if (this.#fullReads === 1) return true;
    if (this.#isWaiting) return false;
    this.#isWaiting = !mayReadOn(this.#goOn);
    return !this.#isWaiting;
  }

  #onSmall(bytes: Buffer): boolean {
    this.#fullReads = 0;
    const isGoingOn = this.#listener.onData(Buffer.from(bytes));
    if (this.#isBulk && ++this.#smallReads >= MOST_SMALL_READS) {
      this.#isBulk = false;
      if (this.#block !== undefined) release(this.#block);
      this.#block = undefined;
    }
    return isGoingOn;
  }
}

/** A socket that connects, and reads for a listener. Nagle's delay is off. */
export function connectFor(listener: ReadListener, host: string, port: number): Socket {
  const reads = new SocketReads(listener);
  return (reads.socket = connect({ host, port, noDelay: true, onread: reads }));
}

type Insides = { _handle?: { readonly useUserBuffer?: unknown } | null; _server?: unknown };

/**
 * An accepted socket, from a server with `pauseOnConnect`, as one that reads for a listener. Node has an option for the
 * reads of sockets that connect, and none for those that are accepted, so another socket takes over the connection from
 * within. Where Node's insides are not as expected, the socket stays as it is and reads as ever.
 */
export function adopt(accepted: Socket, listener: ReadListener, allowHalfOpen: boolean): Socket {
  const insides = accepted as Insides;
  const handle = insides._handle;
  if (typeof handle?.useUserBuffer !== "function") {
    accepted.on("data", (bytes: Buffer) => {
      if (!listener.onData(bytes)) accepted.pause();
    });
    return accepted.resume();
  }
  const reads = new SocketReads(listener);
  const options: object = { handle, allowHalfOpen, onread: reads };
  const socket = (reads.socket = new Socket(options));
  // By this its server counts connections.
  (socket as Insides)._server = insides._server;
  insides._server = null;
  insides._handle = null;
  accepted.destroy();
  socket.resume();
  return socket;
}
