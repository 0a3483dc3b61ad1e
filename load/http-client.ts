import { connect, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { HttpConnection, type ExchangeListener } from "./http-connection.ts";
import type { EncodedRequest, LoadTarget } from "./load-request.ts";

/** An exchange under way. */
export type RunningExchange = {
  /** Closes its connection; its listener hears nothing more. Only while it is under way. */
  abandon(): void;
};

/** Connections to one server, each with one exchange at a time, and never more than a bound. */
export class HttpClient {
  readonly #target: LoadTarget;
  readonly #mostConnections: number;
  readonly #connections = new Set<HttpConnection>();
  /** The one used last is used first, so that a low rate does not keep many alive. */
  readonly #idle: HttpConnection[] = [];

  constructor(target: LoadTarget, mostConnections: number) {
    this.#target = target;
    this.#mostConnections = mostConnections;
  }

  /** Sends on an idle connection or on a new one; undefined when all that may be are busy: nothing ever waits here. */
  send(request: EncodedRequest, listener: ExchangeListener): RunningExchange | undefined {
    const connection = this.#idle.pop() ?? this.#open();
    if (connection === undefined) return undefined;
    connection.send(request, listener);
    return { abandon: () => connection.destroy() };
  }

  /** Closes every connection. */
  close(): void {
    for (const connection of [...this.#connections]) connection.destroy();
  }

  #open(): HttpConnection | undefined {
    if (this.#connections.size >= this.#mostConnections) return undefined;
    const { host, port, isTls } = this.#target;
    const socket = isTls
      ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ALPNProtocols: ["http/1.1"] })
      : connect({ host, port });
    const connection = new HttpConnection(socket, {
      onIdle: (one) => void this.#idle.push(one),
      onClosed: (one) => {
        this.#connections.delete(one);
        const at = this.#idle.lastIndexOf(one);
        if (at >= 0) this.#idle.splice(at, 1);
      },
    });
    this.#connections.add(connection);
    return connection;
  }
}
