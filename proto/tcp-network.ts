import { createServer, type AddressInfo, type Socket } from "node:net";
import type { ByteSocket, Lent, Listener, Network, SocketListener } from "../core/network.ts";
import { adopt, connectFor, type ReadListener } from "./socket-reads.ts";

/** Connections that may wait to be accepted; a burst of routers that all connect to a new replica fits. */
const BACKLOG = 1_024;

/** The machine's TCP, for composition roots. Nagle's delay is off: frames are coalesced where they are made. */
export const tcpNetwork: Network = {
  connect(address, listener, timeoutMs) {
    return new Promise<ByteSocket>((resolve, reject) => {
      const reads = new Reads();
      const socket = connectFor(reads, address.host, address.port);
      const timer = setTimeout(() => {
        const text = `no connection to ${address.host}:${address.port} within ${timeoutMs} ms`;
        socket.destroy(Object.assign(new Error(text), { code: "ETIMEDOUT" }));
      }, timeoutMs);
      const onError = (error: Error): void => {
        clearTimeout(timer);
        reject(error);
      };
      socket.once("error", onError);
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.off("error", onError);
        resolve(attach(socket, reads, listener));
      });
    });
  },

  listen(address, onSocket) {
    return new Promise<Listener>((resolve, reject) => {
      const server = createServer({ noDelay: true, pauseOnConnect: true }, (accepted) => {
        const reads = new Reads();
        attach(adopt(accepted, reads, false), reads, onSocket);
      });
      server.once("error", reject);
      server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, () => {
        server.off("error", reject);
        // A failed accept (no file descriptors left, for one) leaves the server listening, so there is nothing to do.
        server.on("error", () => {});
        const { port } = server.address() as AddressInfo;
        resolve({ address: { host: address.host, port }, close: () => closeOnce() });
      });
      const closeOnce = (): Promise<void> => {
        // The callback of close() would wait for the open sockets too.
        server.close();
        return Promise.resolve();
      };
    });
  },
};

/** What a socket reads goes to its listener, once there is one. */
class Reads implements ReadListener {
  listener: SocketListener | undefined;

  onData(bytes: Buffer): boolean {
    this.listener?.onData(bytes);
    return true;
  }

  onLentData(bytes: Buffer): Lent {
    const { listener } = this;
    if (listener?.onLentData !== undefined) return listener.onLentData(bytes);
    listener?.onData(bytes);
    return "kept";
  }
}

function attach(socket: Socket, reads: Reads, onSocket: (socket: ByteSocket) => SocketListener): ByteSocket {
  const byteSocket: ByteSocket = {
    write: (chunk, onWritten) => (onWritten === undefined ? socket.write(chunk) : socket.write(chunk, onWritten)),
    get unsentBytes() {
      return socket.writableLength;
    },
    cork: () => socket.cork(),
    uncork: () => socket.uncork(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    destroy: (error) => void socket.destroy(error),
  };
  const listener = onSocket(byteSocket);
  reads.listener = listener;
  let failure: Error | undefined;
  socket.on("drain", () => listener.onDrain());
  socket.on("error", (error) => {
    failure = error;
  });
  socket.on("close", () => listener.onClose(failure));
  return byteSocket;
}
