/**
 * Closing a listening socket resets the connections that wait in its queue, where the kernel put them although another
 * proxy that shares the port could have had them. So what waits is accepted first: libuv takes one connection per turn
 * of the loop, and a turn without one found the queue empty when it began. Only a turn that was also short says so of
 * now: in a long one, spent on requests, more may have come. Not even that is exact, because a handshake may be half
 * done; where that matters, `net.ipv4.tcp_migrate_req=1` has the kernel hand such connections to another proxy.
 */
import { Server } from "node:net";

/** A turn that took less had nothing to do: an empty one takes 10 µs. */
const SHORT_TURN_MS = 0.05;
/** Turns after which the listener closes in any case. */
const MOST_TURNS = 2_000;

/** Takes the connections that wait in the kernel's queue, then listens no more. Calls back when the last one has closed. */
export function stopAccepting(server: Server, onClosed: () => void): void {
  let hasAccepted = true;
  let turnCount = 0;
  let turnedAt = 0;
  const onConnection = (): void => {
    hasAccepted = true;
  };
  server.on("connection", onConnection);
  const turn = (): void => {
    const now = performance.now();
    const isQueueEmpty = !hasAccepted && now - turnedAt < SHORT_TURN_MS;
    hasAccepted = false;
    turnedAt = now;
    if (server.listening && !isQueueEmpty && turnCount++ < MOST_TURNS) {
      setImmediate(turn);
      return;
    }
    server.off("connection", onConnection);
    // Not an HTTP server's own close, which also closes connections that are idle: a client may just be using one.
    Server.prototype.close.call(server, onClosed);
  };
  setImmediate(turn);
}
