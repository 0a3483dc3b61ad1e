import type { Address, ByteSocket, Listener, Network, SocketListener } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import { Pipe } from "./pipe.ts";
import { chance } from "./seed.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimProcess } from "./sim-process.ts";
import type { Topology } from "./topology.ts";

/**
 * The network of the simulated world, as production code sees it (`core/network.ts`): byte streams between processes.
 * Bytes arrive in order, in chunks cut and joined at random. A cut holds them until it is repaired. When a process
 * dies its kernel closes its sockets, and peers hear of it; when a machine loses power they hear nothing (half-open)
 * until they write to it after it came back, which resets the connection.
 */

/** Bytes on their way in one direction above which `write` says to wait. */
const HIGH_WATER_BYTES = 64 * 1024;
/** Share of deliveries that are cut in two. */
const SPLIT_SHARE = 0.05;
const FIRST_FREE_PORT = 20_000;

type Bound = { readonly process: SimProcess; readonly onSocket: (socket: ByteSocket) => SocketListener };

function reset(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const only = chunks[0];
  if (chunks.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** What both ends of a connection are made with. */
type Wiring = {
  readonly clock: SimClock;
  readonly topology: Topology;
  readonly random: Random;
  /** Forgets the socket when it is closed. */
  readonly onClosed: (socket: SimSocket) => void;
};

/** One end of a connection. */
class SimSocket implements ByteSocket {
  readonly process: SimProcess;
  readonly #wiring: Wiring;
  #peer: SimSocket | undefined;
  #out: Pipe<readonly Uint8Array[]> | undefined;
  #listener: SocketListener | undefined;
  #isClosed = false;
  #corked: Uint8Array[] | undefined;
  #inFlightBytes = 0;
  #isDrainWanted = false;
  #isPaused = false;
  #unread: Uint8Array[] = [];
  #end: { readonly error: Error | undefined } | undefined;

  constructor(process: SimProcess, wiring: Wiring) {
    this.process = process;
    this.#wiring = wiring;
  }

  /** Joins it to the other end. */
  join(peer: SimSocket): void {
    const { clock, topology } = this.#wiring;
    this.#peer = peer;
    this.#out = new Pipe({
      clock,
      topology,
      from: this.process,
      to: peer.process,
      onItem: (chunks) => {
        this.#onArrived(chunks);
        peer.#receive(chunks);
      },
      onEnd: (error) => peer.#onEnd(error),
    });
  }

  /** From now on events go to `listener`; what came before is handed over. */
  start(listener: SocketListener): void {
    this.#listener = listener;
    this.#flushUnread();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get peerHost(): string {
    return this.#peer?.process.host ?? "";
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isClosed) return false;
    this.#inFlightBytes += chunk.length;
    if (this.#corked !== undefined) this.#corked.push(chunk);
    else this.#send([chunk]);
    if (this.#inFlightBytes <= HIGH_WATER_BYTES) return true;
    this.#isDrainWanted = true;
    return false;
  }

  cork(): void {
    this.#corked ??= [];
  }

  uncork(): void {
    const chunks = this.#corked;
    this.#corked = undefined;
    if (chunks !== undefined && chunks.length > 0 && !this.#isClosed) this.#send(chunks);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#wiring.clock.after(0, () => this.process.run(() => this.#flushUnread()));
  }

  destroy(error?: Error): void {
    if (this.#isClosed) return;
    this.#close();
    this.#out?.end(undefined);
    this.#wiring.clock.after(0, () => this.process.run(() => this.#listener?.onClose(error)));
  }

  /** The process died and its kernel closes for it. */
  closeByKernel(): void {
    if (this.#isClosed) return;
    this.#close();
    this.#out?.end(reset("read ECONNRESET", "ECONNRESET"));
  }

  /** Both ends are gone at once, as when a middlebox forgets the connection. */
  resetBoth(): void {
    const error = reset("read ECONNRESET", "ECONNRESET");
    const peer = this.#peer;
    this.#out?.break();
    if (peer !== undefined) peer.#out?.break();
    this.#onEnd(error);
    if (peer !== undefined) peer.process.run(() => peer.#onEnd(error));
  }

  #close(): void {
    this.#isClosed = true;
    this.#corked = undefined;
    this.#unread = [];
    this.#wiring.onClosed(this);
  }

  #send(chunks: readonly Uint8Array[]): void {
    this.#out?.send(chunks);
    const peer = this.#peer;
    if (peer === undefined || peer.process.isAlive || this.#wiring.topology.isDown(peer.process.host)) return;
    // The peer's machine is up again and knows nothing of this connection.
    const { clock, topology } = this.#wiring;
    const roundTripMs = topology.delay(this.process.host, peer.process.host) * 2;
    clock.after(roundTripMs, () => this.process.run(() => this.#onEnd(reset("write ECONNRESET", "ECONNRESET"))));
  }

  #onArrived(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#inFlightBytes -= chunk.length;
    if (!this.#isDrainWanted || this.#inFlightBytes > 0 || this.#isClosed) return;
    this.#isDrainWanted = false;
    this.#wiring.clock.after(0, () =>
      this.process.run(() => {
        if (!this.#isClosed) this.#listener?.onDrain();
      }),
    );
  }

  #receive(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    const whole = joined(chunks);
    if (whole.length > 1 && chance(this.#wiring.random, SPLIT_SHARE)) {
      const at = 1 + Math.floor(this.#wiring.random.next() * (whole.length - 1));
      this.#unread.push(whole.subarray(0, at), whole.subarray(at));
    } else {
      this.#unread.push(whole);
    }
    this.#flushUnread();
  }

  #onEnd(error: Error | undefined): void {
    this.#end ??= { error };
    this.#flushUnread();
  }

  #flushUnread(): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    while (!this.#isPaused && !this.#isClosed && this.#unread.length > 0) {
      const chunk = this.#unread.shift();
      // A copy: whoever wrote it may have kept it, and the receiver owns what it gets.
      if (chunk !== undefined) listener.onData(new Uint8Array(chunk));
    }
    // A reset is told even to a paused reader, an orderly end only after everything before it was read.
    const end = this.#end;
    if (end === undefined || this.#isClosed || (this.#unread.length > 0 && end.error === undefined)) return;
    this.#close();
    this.#out?.end(undefined);
    listener.onClose(end.error);
  }
}

/** What the network is made from. */
export type SimNetDeps = { readonly clock: SimClock; readonly random: Random; readonly topology: Topology };

/** All sockets of the world. */
export class SimNet {
  readonly #deps: SimNetDeps;
  readonly #bound = new Map<string, Bound>();
  readonly #sockets = new Set<SimSocket>();
  #nextPort = FIRST_FREE_PORT;

  constructor(deps: SimNetDeps) {
    this.#deps = deps;
  }

  /** The network as `process` sees it. Its sockets end with it. */
  network(process: SimProcess): Network {
    process.onDeath((death) => {
      for (const [key, bound] of this.#bound) if (bound.process === process) this.#bound.delete(key);
      for (const socket of [...this.#sockets]) {
        if (socket.process !== process) continue;
        if (death.isSilent) this.#sockets.delete(socket);
        else socket.closeByKernel();
      }
    });
    return {
      connect: (address, listener, timeoutMs) => this.#connect(process, { address, timeoutMs }, listener),
      listen: (address, onSocket) => this.#listen(process, address, onSocket),
    };
  }

  /** Resets every connection between two hosts. */
  resetBetween(one: string, other: string): number {
    let count = 0;
    for (const socket of [...this.#sockets]) {
      if (socket.isClosed || socket.process.host !== one || socket.peerHost !== other) continue;
      socket.resetBoth();
      count += 1;
    }
    return count;
  }

  /** Sockets that are open now, both ends counted. */
  get openCount(): number {
    return this.#sockets.size;
  }

  #listen(process: SimProcess, address: Address, onSocket: (socket: ByteSocket) => SocketListener): Promise<Listener> {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    const key = `${address.host}:${port}`;
    if (this.#bound.has(key)) {
      return Promise.reject(reset(`listen EADDRINUSE: address already in use ${key}`, "EADDRINUSE"));
    }
    const bound: Bound = { process, onSocket };
    this.#bound.set(key, bound);
    const close = (): Promise<void> => {
      if (this.#bound.get(key) === bound) this.#bound.delete(key);
      return Promise.resolve();
    };
    return Promise.resolve({ address: { host: address.host, port }, close });
  }

  #connect(
    process: SimProcess,
    to: { readonly address: Address; readonly timeoutMs: number },
    listener: (socket: ByteSocket) => SocketListener,
  ): Promise<ByteSocket> {
    const { clock, topology } = this.#deps;
    const { host, port } = to.address;
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const timer = clock.after(to.timeoutMs, () => {
        if (isSettled) return;
        isSettled = true;
        process.run(() => reject(reset(`connect ETIMEDOUT ${host}:${port}`, "ETIMEDOUT")));
      });
      const settle = (action: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        timer.cancel();
        process.run(action);
      };
      const attempt = (): void => {
        if (isSettled || topology.isCut(process.host, host) || topology.isCut(host, process.host)) return;
        const bound = this.#bound.get(`${host}:${port}`);
        const backMs = topology.delay(host, process.host);
        if (bound === undefined) {
          const refusal = reset(`connect ECONNREFUSED ${host}:${port}`, "ECONNREFUSED");
          clock.after(backMs, () => settle(() => reject(refusal)));
          return;
        }
        const [near, far] = this.#pair(process, bound.process);
        bound.process.run(() => far.start(bound.onSocket(far)));
        clock.after(backMs, () => {
          if (isSettled) near.destroy();
          settle(() => {
            near.start(listener(near));
            resolve(near);
          });
        });
      };
      clock.after(topology.delay(process.host, host), attempt);
    });
  }

  #pair(one: SimProcess, other: SimProcess): [SimSocket, SimSocket] {
    const { clock, topology, random } = this.#deps;
    const wiring: Wiring = { clock, topology, random, onClosed: (socket) => this.#sockets.delete(socket) };
    const near = new SimSocket(one, wiring);
    const far = new SimSocket(other, wiring);
    near.join(far);
    far.join(near);
    this.#sockets.add(near);
    this.#sockets.add(far);
    return [near, far];
  }
}
