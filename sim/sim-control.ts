import type { ControllerMessage, WorkerMessage } from "../core/assignment.ts";
import type { Digest } from "../core/ids.ts";
import type { TableUpdate } from "../core/table.ts";
import type {
  ControllerStream,
  ControllerStreamListener,
  ControllerTransport,
  ControlService,
  TableListener,
  TableVersion,
  WorkerStreamListener,
} from "../proto/transport.ts";
import { Pipe } from "./pipe.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimProcess } from "./sim-process.ts";
import type { Topology } from "./topology.ts";
import { overWireDown, overWireTable, overWireUp } from "./wire.ts";

/**
 * Control between workers and the controller (`proto/transport.ts`), in memory. It behaves as gRPC streams do: ordered
 * messages in the bytes of the contract, held by a cut; a stream whose messages have been held for longer than the keepalive allows is closed on
 * both sides; a process that dies closes its streams, unless its machine went with it.
 */

/** Ping interval and ping timeout of the real channel together: a stream that is silent for so long is closed. */
const KEEPALIVE_MS = 8_000;

/** Waits before a kernel tries again to connect into a cut; after the last it gives up. */
const SYN_RETRIES_MS = [1_000, 2_000, 4_000] as const;

/** What it is made from. */
export type SimControlDeps = { readonly clock: SimClock; readonly topology: Topology };

type Serving = { readonly process: SimProcess; readonly service: ControlService };

/** Both directions of one stream; whoever ends it first ends it for both. */
class Stream<Up, Down> {
  readonly up: Pipe<Up>;
  readonly down: Pipe<Down>;
  readonly #deps: SimControlDeps;
  readonly #ends: readonly [SimProcess, SimProcess];
  readonly #onBroken: (reason: string) => void;
  #isClosed = false;
  #isWatched = false;

  constructor(
    deps: SimControlDeps,
    ends: readonly [SimProcess, SimProcess],
    handlers: {
      readonly onUp: (message: Up) => void;
      readonly onDown: (message: Down) => void;
      /** Tells one side that the stream is over. */
      readonly onClosed: (side: "worker" | "controller", reason: string) => void;
    },
  ) {
    const [worker, controller] = ends;
    const { clock, topology } = deps;
    this.#deps = deps;
    this.#ends = ends;
    this.up = new Pipe({
      clock,
      topology,
      from: worker,
      to: controller,
      onItem: handlers.onUp,
      onEnd: (error) => handlers.onClosed("controller", error?.message ?? "the worker closed the stream"),
    });
    this.down = new Pipe({
      clock,
      topology,
      from: controller,
      to: worker,
      onItem: handlers.onDown,
      onEnd: (error) => handlers.onClosed("worker", error?.message ?? "the controller closed the stream"),
    });
    this.#onBroken = (reason) => {
      worker.run(() => handlers.onClosed("worker", reason));
      controller.run(() => handlers.onClosed("controller", reason));
    };
    worker.onDeath((death) => {
      if (!death.isSilent) this.up.end(new Error("UNAVAILABLE: the worker went away"));
      else this.watch();
    });
    controller.onDeath((death) => {
      if (!death.isSilent) this.down.end(new Error("UNAVAILABLE: connection dropped"));
      else this.watch();
    });
  }

  /** One side closed on purpose: the other hears of it. */
  close(): void {
    this.#isClosed = true;
    this.up.end(undefined);
    this.down.end(undefined);
  }

  /** Called when something was sent: a stream that stays cut off is given up after the keepalive. */
  watch(): void {
    const [worker, controller] = this.#ends;
    if (this.#isWatched || this.#isClosed) return;
    const isStuck = (): boolean => this.up.isHeld || this.down.isHeld || !worker.isAlive || !controller.isAlive;
    if (!isStuck()) return;
    this.#isWatched = true;
    this.#deps.clock.after(KEEPALIVE_MS, () => {
      this.#isWatched = false;
      if (!this.#isClosed && isStuck()) this.reset("UNAVAILABLE: keepalive timed out");
    });
  }

  /** It is over for both sides; what is on its way is lost. */
  reset(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.up.break();
    this.down.break();
    this.#onBroken(reason);
  }
}

/** Runs `action` at most once. */
function once<A extends unknown[]>(action: (...args: A) => void): (...args: A) => void {
  let isDone = false;
  return (...args) => {
    if (isDone) return;
    isDone = true;
    action(...args);
  };
}

/** A connection stands, in the controller's process as soon as that runs. */
function reach(
  worker: SimProcess,
  serving: Serving,
  onReached: (serving: Serving) => void,
  onFailed: (reason: string) => void,
): void {
  let isReached = false;
  serving.process.run(() => {
    isReached = true;
    onReached(serving);
  });
  // A controller that was stopped and then killed never answers; its kernel refuses in its stead.
  if (isReached) return;
  serving.process.onDeath(() => {
    if (!isReached) worker.run(() => onFailed("UNAVAILABLE: connection dropped"));
  });
}

/** The control network: who serves, and how workers reach it. */
export class SimControl {
  readonly #deps: SimControlDeps;
  /** Oldest first; more than one while a controller that was replaced has not noticed. */
  #serving: readonly Serving[] = [];
  readonly #streams = new Set<{ reset(reason: string): void }>();
  #dials = 0;

  constructor(deps: SimControlDeps) {
    this.#deps = deps;
  }

  /** The controller in `process` takes streams from now on, until it dies. */
  serve(process: SimProcess, service: ControlService): void {
    const serving = { process, service };
    this.#serving = [...this.#serving, serving];
    process.onDeath(() => {
      this.#serving = this.#serving.filter((one) => one !== serving);
    });
  }

  /** Every worker has to dial again. */
  resetAll(): void {
    const streams = [...this.#streams];
    this.#streams.clear();
    for (const stream of streams) stream.reset("UNAVAILABLE: connection reset");
  }

  /** How the worker in `worker` reaches the controller. */
  transport(worker: SimProcess): ControllerTransport {
    return {
      connect: (listener) => this.#connect(worker, listener),
      watchTable: (known, listener) => this.#watchTable(worker, known, listener),
      readBlob: (digest, signal) => this.#readBlob(worker, digest, signal),
    };
  }

  /** Calls back with the controller once a connection stands, or with why there is none. */
  #dial(worker: SimProcess, onReached: (serving: Serving) => void, onFailed: (reason: string) => void): void {
    const { clock, topology } = this.#deps;
    const isCut = (host: string): boolean => topology.isCut(worker.host, host) || topology.isCut(host, worker.host);
    const attempt = (retries: readonly number[]): void => {
      // Of two, they are reached by turns.
      const serving = this.#serving[this.#dials++ % Math.max(1, this.#serving.length)];
      if (serving === undefined) {
        worker.run(() => onFailed("UNAVAILABLE: no connection established"));
        return;
      }
      if (!isCut(serving.process.host)) {
        reach(worker, serving, onReached, onFailed);
        return;
      }
      const [next, ...later] = retries;
      if (next === undefined) worker.run(() => onFailed("UNAVAILABLE: connecting timed out"));
      else clock.after(next, () => attempt(later));
    };
    clock.after(topology.delay(worker.host, this.#serving.at(-1)?.process.host ?? ""), () => attempt(SYN_RETRIES_MS));
  }

  #connect(worker: SimProcess, listener: ControllerStreamListener): ControllerStream {
    const early: WorkerMessage[] = [];
    let stream: Stream<WorkerMessage, ControllerMessage> | undefined;
    let isClosed = false;
    const onWorkerClosed = once((reason: string) => {
      isClosed = true;
      listener.onClose(reason);
    });
    const onReached = (serving: Serving): void => {
      if (isClosed) return;
      // An object, because the stream and its listener need each other.
      const far: { service?: WorkerStreamListener } = {};
      const onControllerClosed = once((reason: string) => far.service?.onClose(reason));
      const opened = new Stream<WorkerMessage, ControllerMessage>(this.#deps, [worker, serving.process], {
        onUp: (message) => {
          far.service?.onMessage(message);
        },
        onDown: (message) => {
          if (!isClosed) listener.onMessage(message);
        },
        onClosed: (side, reason) => {
          (side === "worker" ? onWorkerClosed : onControllerClosed)(reason);
          opened.close();
          this.#streams.delete(opened);
        },
      });
      stream = opened;
      this.#streams.add(opened);
      far.service = serving.service.connect({
        send: (message) => {
          opened.down.send(overWireDown(message));
          opened.watch();
        },
        close: (reason) => {
          opened.down.end(new Error(reason));
          opened.up.break();
          serving.process.defer(() => onControllerClosed(reason));
        },
      });
      for (const message of early.splice(0)) opened.up.send(message);
      opened.watch();
    };
    this.#dial(worker, onReached, onWorkerClosed);
    return {
      send: (message) => {
        if (isClosed) return;
        if (stream === undefined) {
          early.push(overWireUp(message));
        } else {
          stream.up.send(overWireUp(message));
          stream.watch();
        }
      },
      close: () => {
        stream?.close();
        if (!isClosed) worker.defer(() => onWorkerClosed("closed by this worker"));
        isClosed = true;
      },
    };
  }

  #watchTable(worker: SimProcess, known: TableVersion | undefined, listener: TableListener): { close(): void } {
    let stream: Stream<never, TableUpdate> | undefined;
    let isClosed = false;
    let stop: (() => void) | undefined;
    const onWorkerClosed = once((reason: string) => {
      isClosed = true;
      listener.onClose(reason);
    });
    const onReached = (serving: Serving): void => {
      if (isClosed) return;
      const opened = new Stream<never, TableUpdate>(this.#deps, [worker, serving.process], {
        onUp: () => {},
        onDown: (update) => {
          if (!isClosed) listener.onUpdate(update);
        },
        onClosed: (side, reason) => {
          if (side === "worker") onWorkerClosed(reason);
          else stop?.();
          opened.close();
          this.#streams.delete(opened);
        },
      });
      stream = opened;
      this.#streams.add(opened);
      stop = serving.service.watchTable(known, (update) => {
        opened.down.send(overWireTable(update));
        opened.watch();
      });
    };
    this.#dial(worker, onReached, onWorkerClosed);
    return {
      close: () => {
        stream?.close();
        if (!isClosed) worker.defer(() => onWorkerClosed("closed by this worker"));
        isClosed = true;
      },
    };
  }

  /** One round trip a blob: bundles of the simulated world hold nothing. */
  async *#readBlob(worker: SimProcess, digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const serving = await new Promise<Serving>((resolve, reject) => {
      const fail = (reason: string): void => worker.run(() => reject(new Error(reason)));
      signal.addEventListener("abort", () => fail("aborted"), { once: true });
      this.#dial(worker, resolve, fail);
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of await serving.service.readBlob(digest)) chunks.push(chunk);
    const { clock, topology } = this.#deps;
    const backMs = topology.delay(serving.process.host, worker.host);
    await new Promise<void>((resolve) => {
      clock.after(backMs, () => worker.run(resolve));
    });
    yield* chunks;
  }
}
