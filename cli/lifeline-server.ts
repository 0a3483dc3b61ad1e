/**
 * The socket that everything a supervisor keeps holds open. The kernel closes it when the supervisor is gone, however
 * it went, and whoever holds the other end then exits; so a `kill -9` leaves nothing behind. Over it, a line of JSON at
 * a time, processes say who they are and what became of them (`LifelineUp`), and hear what they must know
 * (`LifelineDown`).
 *
 * Owns the socket file. Never kills anybody: it knows pids, its owner decides.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { isRecord } from "../core/problem-list.ts";
import type { LifelineDown, LifelineUp } from "../core/process-config.ts";

/** A line is a few addresses long; a longer one is not from our processes. */
const MOST_LINE_BYTES = 64 * 1024;

/** Calls back with what processes say. */
export type LifelineEvents = {
  onMessage(message: LifelineUp, connection: LifelineConnection): void;
};

/** One process's hold on the lifeline. */
export type LifelineConnection = {
  /** Known after its hello; 0 before. */
  readonly pid: number;
  readonly role: string;
  send(message: LifelineDown): void;
};

/** Listens, greets and counts; see the head of the file. */
export class LifelineServer {
  readonly #server: Server;
  readonly #connections = new Map<Socket, Holder>();
  #onEmpty: (() => void) | undefined;

  constructor(events: LifelineEvents) {
    this.#server = createServer((socket) => this.#accept(socket, events));
  }

  /** Starts to listen. Rejects with EADDRINUSE when the file is there. */
  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, () => {
        chmodSync(path, 0o600);
        resolve();
      });
    });
  }

  /** Processes that hold the lifeline now; each is certainly alive and ours. */
  holders(): readonly LifelineConnection[] {
    return [...this.#connections.values()].filter((holder) => holder.pid !== 0);
  }

  /** Says something to every process. */
  broadcast(message: LifelineDown): void {
    for (const holder of this.#connections.values()) holder.send(message);
  }

  /** Ends every hold, which tells its process to exit. */
  cut(): void {
    for (const socket of this.#connections.keys()) socket.end();
  }

  /** Resolves when nobody holds the lifeline any more. Its owner bounds the wait. */
  whenEmpty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onEmpty = resolve));
  }

  /** Stops listening and removes the file. Connections that are left are closed. */
  close(path: string): void {
    this.#server.close();
    for (const socket of this.#connections.keys()) socket.destroy();
    rmSync(path, { force: true });
  }

  #accept(socket: Socket, events: LifelineEvents): void {
    const holder = new Holder(socket);
    this.#connections.set(socket, holder);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > MOST_LINE_BYTES) socket.destroy();
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        if (socket.destroyed) return;
        const message = parseLine(line);
        if (message === undefined) socket.destroy();
        else this.#hear(message, holder, events);
      }
    });
    // A reset is how a killed process leaves; `close` follows and says all there is to say.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
  }

  #hear(message: LifelineUp, holder: Holder, events: LifelineEvents): void {
    if (message.kind === "hello") {
      holder.pid = message.pid;
      holder.role = message.role;
    }
    events.onMessage(message, holder);
  }
}

class Holder implements LifelineConnection {
  pid = 0;
  role = "";
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  send(message: LifelineDown): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }
}

function parseLine(line: string): LifelineUp | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isLifelineUp(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The socket is private, but the supervisor must outlive whatever is written into it. */
function isLifelineUp(value: unknown): value is LifelineUp {
  if (!isRecord(value)) return false;
  switch (value["kind"]) {
    case "hello":
      return Number.isInteger(value["pid"]) && typeof value["role"] === "string";
    case "controllerReady":
      return isAddress(value["admin"]) && isAddress(value["grpc"]);
    case "proxyReady":
      return isAddress(value["address"]);
    case "failed":
      return typeof value["reason"] === "string";
    default:
      return value["kind"] === "shutdown";
  }
}

function isAddress(value: unknown): boolean {
  return isRecord(value) && typeof value["host"] === "string" && Number.isInteger(value["port"]);
}
