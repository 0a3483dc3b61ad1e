/**
 * The control link between a worker and its children (`message.ts`): one line of JSON per message over the worker's
 * unix socket. The child dials, says hello, and is welcomed or cut off:
 *
 *   child    dialling → greeting (hello sent) → connected (welcome came) → dialling again when the worker goes away
 *   worker   accepted → greeted (hello accepted) → closed
 *
 * A worker that restarts is found again by the children it left behind, so the child's side keeps the newest message of
 * each kind that describes its state and says them again after every welcome; a child never has to think of
 * reconnecting. A child whose worker stays away for ORPHAN_AFTER_MS, or refuses it time and again, is an orphan.
 */
import { chmodSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { backoff } from "../../core/backoff.ts";
import type { Clock, Timer } from "../../core/clock.ts";
import { CONTROL_HELLO_TIMEOUT_MS, MOST_CONTROL_MESSAGE_BYTES, ORPHAN_AFTER_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import { isAnswer } from "../../core/question.ts";
import type { Random } from "../../core/random.ts";
import { createLineReader, isMessage, parseLine } from "./lines.ts";
import type { ChildMessage, ParentMessage } from "./message.ts";

/** The worker's end of one child's link. */
export interface ControlLink {
  /** Queues a message; one for a link that is closed is dropped. */
  send(message: ParentMessage): void;
  close(): void;
}

/** What the worker wants to hear of one child's link. */
export interface ControlLinkListener {
  onMessage(message: ChildMessage): void;
  /** Called once, last. */
  onClose(): void;
}

/** How a child introduces itself. */
export type ControlHello = Extract<ChildMessage, { readonly kind: "hello" }>;

/** Decides over a child that dialled: its listener, or undefined to refuse it. */
export type AcceptChild = (hello: ControlHello, link: ControlLink) => ControlLinkListener | undefined;

/** A worker's control socket. */
export interface ControlServer {
  /** Cuts all links and removes the socket. */
  close(): Promise<void>;
}

/** The child's end of the link. */
export interface WorkerLink {
  /**
   * Sends, or keeps for the next welcome what describes the child's state. False: neither, because there is no worker
   * to answer just now.
   */
  send(message: ChildMessage): boolean;
  /** Breaks the connection and dials again: every connection begins with the whole routing table. */
  redial(): void;
  close(): void;
}

/** What a child wants to hear of its worker. */
export interface WorkerLinkListener {
  /** Never a `welcome`; an `order` only once, however often the worker repeats it. */
  onMessage(message: ParentMessage): void;
  /** The worker has been away too long: drain and end. Called at most once. */
  onOrphaned(): void;
}

/** What both ends need of the process they run in. */
export type LinkDeps = { readonly clock: Clock; readonly random: Random; readonly log: Logger };

/** Where a child dials and how it proves who it is. */
export type LinkOptions = {
  readonly socketPath: string;
  readonly id: string;
  readonly secret: string;
  readonly pid: number;
};

const REDIAL_BACKOFF = { firstMs: 100, mostMs: 250 } as const;
/** Refusals in a row, about 200 ms apart, after which a child believes that no worker knows it any more. */
const MOST_REFUSALS = 25;

/** Listens on `socketPath` (0600), where no other worker may be listening. Rejects with the cause. */
export function listenControl(deps: LinkDeps, socketPath: string, accept: AcceptChild): Promise<ControlServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    greet(deps, socket, accept);
  });
  rmSync(socketPath, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, () => {
      chmodSync(socketPath, 0o600);
      server.removeListener("error", reject);
      server.on("error", (err) => deps.log.error({ err }, "the control socket failed"));
      resolve({
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const socket of sockets) socket.destroy();
          }),
      });
    });
  });
}

/** Waits for the hello of a child that dialled, then hands its messages to the listener that `accept` gives. */
function greet(deps: LinkDeps, socket: Socket, accept: AcceptChild): void {
  let listener: ControlLinkListener | undefined;
  const timer = deps.clock.after(CONTROL_HELLO_TIMEOUT_MS, () => socket.destroy());
  const link: ControlLink = { send: (message) => write(socket, message), close: () => socket.destroy() };
  const onFirst = (message: ChildMessage): void => {
    timer.cancel();
    listener = message.kind === "hello" ? accept(message, link) : undefined;
    if (listener === undefined) socket.destroy();
  };
  const reader = createLineReader(MOST_CONTROL_MESSAGE_BYTES, (line) => {
    const message = parseLine(line);
    if (socket.destroyed) return;
    if (!isChildMessage(message)) socket.destroy();
    else if (listener === undefined) onFirst(message);
    else if (message.kind !== "hello") listener.onMessage(message);
  });
  socket.on("data", (chunk: Buffer) => {
    if (!reader.push(chunk)) socket.destroy();
  });
  socket.on("error", (err) => deps.log.debug({ err }, "a control link failed"));
  socket.on("close", () => {
    timer.cancel();
    listener?.onClose();
  });
}

/** Dials the worker at `socketPath`, and again whenever the link breaks, until `close`. */
export function connectControl(deps: LinkDeps, options: LinkOptions, listener: WorkerLinkListener): WorkerLink {
  const dialler = new Dialler(deps, options, listener);
  dialler.dial();
  return dialler;
}

class Dialler implements WorkerLink {
  readonly #deps: LinkDeps;
  readonly #options: LinkOptions;
  readonly #listener: WorkerLinkListener;
  /** Newest message of each kind that describes the child. */
  readonly #state = new Map<ChildMessage["kind"], ChildMessage>();
  #socket: Socket | undefined;
  #isConnected = false;
  #isClosed = false;
  #attempt = 0;
  #refusals = 0;
  #redial: Timer | undefined;
  #orphanTimer: Timer | undefined;
  #hasOrder = false;

  constructor(deps: LinkDeps, options: LinkOptions, listener: WorkerLinkListener) {
    this.#deps = deps;
    this.#options = options;
    this.#listener = listener;
  }

  dial(): void {
    const { socketPath, id, secret, pid } = this.#options;
    this.#orphanTimer ??= this.#deps.clock.after(ORPHAN_AFTER_MS, () => this.#orphan());
    const socket = connect(socketPath);
    this.#socket = socket;
    let wasAccepted = false;
    const reader = createLineReader(MOST_CONTROL_MESSAGE_BYTES, (line) => {
      const message = parseLine(line);
      if (isParentMessage(message)) this.#take(socket, message);
    });
    socket.on("connect", () => {
      wasAccepted = true;
      write(socket, { kind: "hello", id, secret, pid });
    });
    socket.on("data", (chunk: Buffer) => {
      if (!reader.push(chunk)) socket.destroy();
    });
    // Nobody listening is the normal case while a worker restarts; the close that follows redials.
    socket.on("error", (err) => this.#deps.log.debug({ err }, "the worker does not answer"));
    socket.on("close", () => this.#lost(wasAccepted));
  }

  send(message: ChildMessage): boolean {
    if (this.#isClosed) return false;
    const isState = STATE_KINDS.has(message.kind);
    if (isState) this.#state.set(message.kind, message);
    if (!this.#isConnected || this.#socket === undefined) return isState;
    write(this.#socket, message);
    return true;
  }

  redial(): void {
    this.#socket?.destroy();
  }

  close(): void {
    this.#isClosed = true;
    this.#isConnected = false;
    this.#redial?.cancel();
    this.#orphanTimer?.cancel();
    // Ends rather than destroys, so that a last report still arrives.
    this.#socket?.end();
  }

  #take(socket: Socket, message: ParentMessage): void {
    if (this.#isClosed) return;
    if (message.kind === "welcome") {
      this.#isConnected = true;
      this.#attempt = 0;
      this.#refusals = 0;
      this.#orphanTimer?.cancel();
      this.#orphanTimer = undefined;
      for (const state of this.#state.values()) write(socket, state);
      return;
    }
    if (message.kind === "order") {
      if (this.#hasOrder) return;
      this.#hasOrder = true;
    }
    this.#listener.onMessage(message);
  }

  #lost(wasAccepted: boolean): void {
    if (this.#isClosed) return;
    this.#refusals = wasAccepted && !this.#isConnected ? this.#refusals + 1 : 0;
    this.#isConnected = false;
    if (this.#refusals >= MOST_REFUSALS) {
      this.#orphan();
      return;
    }
    const delay = backoff(this.#attempt++, REDIAL_BACKOFF, this.#deps.random);
    this.#redial = this.#deps.clock.after(delay, () => this.dial());
  }

  #orphan(): void {
    if (this.#isClosed) return;
    this.close();
    this.#listener.onOrphaned();
  }
}

/** Queues a message. A peer that stops reading is cut off: it redials and is told everything anew. */
function write(socket: Socket, message: ChildMessage | ParentMessage): void {
  if (socket.destroyed) return;
  socket.write(`${JSON.stringify(message)}\n`);
  if (socket.writableLength > 2 * MOST_CONTROL_MESSAGE_BYTES) socket.destroy();
}

const CHILD_KINDS: ReadonlySet<string> = new Set([
  "hello",
  "beat",
  "replica",
  "proxy",
  "tableApplied",
  "loads",
  "getNodeMetrics",
  "answered",
  "samples",
] satisfies ChildMessage["kind"][]);
/** What describes a child: the newest of each is said again after every welcome. */
const STATE_KINDS: ReadonlySet<string> = new Set([
  "replica",
  "beat",
  "proxy",
  "tableApplied",
] satisfies ChildMessage["kind"][]);
const PARENT_KINDS: ReadonlySet<string> = new Set([
  "welcome",
  "order",
  "table",
  "reconfigure",
  "drain",
  "rotation",
  "ask",
  "getSamples",
  "nodeMetrics",
] satisfies ParentMessage["kind"][]);

/** Both ends are of one release and the socket is private, so the kind and what is dereferenced at once are checked. */
function isChildMessage(value: unknown): value is ChildMessage {
  if (!isMessage(value) || !CHILD_KINDS.has(value.kind)) return false;
  switch (value.kind) {
    case "hello":
      return typeof value["id"] === "string" && typeof value["secret"] === "string" && Number.isInteger(value["pid"]);
    case "replica":
      return typeof value["report"] === "object" && value["report"] !== null;
    case "samples":
      return Array.isArray(value["samples"]);
    case "beat":
      return Number.isFinite(value["ongoing"]) && Number.isFinite(value["deadlineInMs"] ?? 0);
    case "loads":
      return Array.isArray(value["loads"]);
    case "answered":
      return typeof value["id"] === "string" && isAnswer(value["answer"]);
    default:
      return true;
  }
}

function isParentMessage(value: unknown): value is ParentMessage {
  return isMessage(value) && PARENT_KINDS.has(value.kind);
}
