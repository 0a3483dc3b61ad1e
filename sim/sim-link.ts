import { backoff } from "../core/backoff.ts";
import type { Timer } from "../core/clock.ts";
import { ORPHAN_AFTER_MS } from "../core/limits.ts";
import type { TableUpdate } from "../core/table.ts";
import type {
  AcceptChild,
  ControlLink,
  ControlLinkListener,
  ControlServer,
  WorkerLink,
  WorkerLinkListener,
} from "../proto/control/link.ts";
import type { ChildMessage, ParentMessage } from "../proto/control/message.ts";
import { jsonCopy } from "./json-copy.ts";
import { Pipe } from "./pipe.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimProcess } from "./sim-process.ts";
import type { Topology } from "./topology.ts";

/**
 * Control links between workers and their children (`proto/control/link.ts`), in memory, with the behaviour that file
 * promises: the child dials again until somebody welcomes it, says anew what describes its state, and takes an order
 * once. Messages arrive as the copies that JSON makes of them, as they do on the wire.
 */

const REDIAL_BACKOFF = { firstMs: 100, mostMs: 250 } as const;
/** Refusals in a row after which a child believes that no worker knows it any more. */
const MOST_REFUSALS = 25;

/** How a child introduces itself. */
export type SimLinkOptions = { readonly socketPath: string; readonly id: string; readonly secret: string };

/** What the links are made from. */
export type SimLinkDeps = {
  readonly clock: SimClock;
  readonly topology: Topology;
};

type Listening = { readonly process: SimProcess; readonly accept: AcceptChild };

/** One copy of a table serves all routers of a node: it is most of what is sent, and nobody changes what is in it. */
const tables = new WeakMap<TableUpdate, TableUpdate>();

/** What arrives of a message. */
function arrivedOf(message: ParentMessage): ParentMessage {
  if (message.kind !== "table") return jsonCopy(message);
  const { kind, update } = message;
  const arrived = tables.get(update) ?? jsonCopy(update);
  tables.set(update, arrived);
  return { kind, update: arrived };
}

/** All control sockets of the world. */
export class SimLinks {
  readonly #deps: SimLinkDeps;
  readonly #listening = new Map<string, Listening>();

  constructor(deps: SimLinkDeps) {
    this.#deps = deps;
  }

  /** What `listenControl` does for a worker. */
  listen(process: SimProcess, socketPath: string, accept: AcceptChild): ControlServer {
    const listening = { process, accept };
    const stop = (): void => {
      if (this.#listening.get(socketPath) === listening) this.#listening.delete(socketPath);
    };
    this.#listening.set(socketPath, listening);
    process.onDeath(stop);
    return {
      close: () => {
        stop();
        return Promise.resolve();
      },
    };
  }

  /** What `connectControl` does for a child. */
  connect(process: SimProcess, options: SimLinkOptions, listener: WorkerLinkListener): WorkerLink {
    const dialler = new SimDialler(process, listener, (child) => this.#dial(child, options));
    dialler.dial();
    return dialler;
  }

  #dial(child: SimDialler, options: SimLinkOptions): void {
    const { clock, topology } = this.#deps;
    const { process } = child;
    clock.after(topology.delay(process.host, process.host), () => {
      if (!process.isAlive) return;
      const listening = this.#listening.get(options.socketPath);
      if (listening === undefined) {
        process.run(() => child.lost(false));
        return;
      }
      let isGreeted = false;
      listening.process.run(() => {
        isGreeted = true;
        this.#greet(child, listening, options);
      });
      // A worker that was stopped and then killed never greets; the kernel closes what it had not accepted.
      if (!isGreeted) {
        listening.process.onDeath(() => {
          if (!isGreeted) process.run(() => child.lost(false));
        });
      }
    });
  }

  #greet(child: SimDialler, listening: Listening, options: SimLinkOptions): void {
    const { clock, topology } = this.#deps;
    const worker = listening.process;
    // An object, because the link and its listener need each other.
    const near: { listener?: ControlLinkListener } = {};
    let isWorkerSideOpen = true;
    const endWorkerSide = (): void => {
      if (!isWorkerSideOpen) return;
      isWorkerSideOpen = false;
      near.listener?.onClose();
    };
    const down = new Pipe<ParentMessage>({
      clock,
      topology,
      from: worker,
      to: child.process,
      onItem: (message) => child.take(up, message),
      onEnd: () => {
        up.end(undefined);
        child.lost(true);
      },
    });
    const up = new Pipe<ChildMessage>({
      clock,
      topology,
      from: child.process,
      to: worker,
      onItem: (message) => {
        if (isWorkerSideOpen) near.listener?.onMessage(message);
      },
      onEnd: () => {
        down.end(undefined);
        endWorkerSide();
      },
    });
    worker.onDeath(() => down.end(undefined));
    child.process.onDeath(() => up.end(undefined));
    const link: ControlLink = {
      send: (message) => {
        if (isWorkerSideOpen) down.send(arrivedOf(message));
      },
      close: () => {
        down.end(undefined);
        worker.defer(endWorkerSide);
      },
    };
    const listener = listening.accept(
      { kind: "hello", id: options.id, secret: options.secret, pid: child.process.pid },
      link,
    );
    if (listener !== undefined) near.listener = listener;
    else {
      isWorkerSideOpen = false;
      down.end(undefined);
    }
  }
}

/** The child's end. */
class SimDialler implements WorkerLink {
  readonly process: SimProcess;
  readonly #listener: WorkerLinkListener;
  readonly #dialOnce: (dialler: SimDialler) => void;
  readonly #state = new Map<ChildMessage["kind"], ChildMessage>();
  #up: Pipe<ChildMessage> | undefined;
  #isClosed = false;
  #attempt = 0;
  #refusals = 0;
  #hasOrder = false;
  #redial: Timer | undefined;
  #orphanTimer: Timer | undefined;

  constructor(process: SimProcess, listener: WorkerLinkListener, dialOnce: (dialler: SimDialler) => void) {
    this.process = process;
    this.#listener = listener;
    this.#dialOnce = dialOnce;
  }

  dial(): void {
    this.#orphanTimer ??= this.process.clock.after(ORPHAN_AFTER_MS, () => this.#orphan());
    this.#dialOnce(this);
  }

  send(message: ChildMessage): boolean {
    if (this.#isClosed) return false;
    const isState = message.kind === "replica" || message.kind === "proxy" || message.kind === "tableApplied";
    if (isState) this.#state.set(message.kind, message);
    if (this.#up === undefined) return isState;
    this.#up.send(jsonCopy(message));
    return true;
  }

  redial(): void {
    // The worker closes the other direction in turn, and that is heard as its loss.
    this.#up?.end(undefined);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#redial?.cancel();
    this.#orphanTimer?.cancel();
    this.#up?.end(undefined);
    this.#up = undefined;
  }

  /** A message came down the connection whose other direction is `up`. */
  take(up: Pipe<ChildMessage>, message: ParentMessage): void {
    if (this.#isClosed) return;
    if (message.kind === "welcome") {
      this.#up = up;
      this.#attempt = 0;
      this.#refusals = 0;
      this.#orphanTimer?.cancel();
      this.#orphanTimer = undefined;
      for (const state of this.#state.values()) up.send(jsonCopy(state));
      return;
    }
    if (message.kind === "order") {
      if (this.#hasOrder) return;
      this.#hasOrder = true;
    }
    this.#listener.onMessage(message);
  }

  /** The worker went away, or was not there; `wasAccepted` if something listened. */
  lost(wasAccepted: boolean): void {
    if (this.#isClosed) return;
    this.#refusals = wasAccepted && this.#up === undefined ? this.#refusals + 1 : 0;
    this.#up = undefined;
    if (this.#refusals >= MOST_REFUSALS) {
      this.#orphan();
      return;
    }
    const delay = backoff(this.#attempt++, REDIAL_BACKOFF, this.process.random);
    this.#redial = this.process.clock.after(delay, () => this.dial());
  }

  #orphan(): void {
    if (this.#isClosed) return;
    this.close();
    this.#listener.onOrphaned();
  }
}
