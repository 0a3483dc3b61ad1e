import type { ControlLinkListener } from "../../proto/control/link.ts";
import type { ChildMessage, ParentMessage, RunFile } from "../../proto/control/message.ts";
import type { ProcessExit } from "../../worker/decide/exit-reason.ts";
import type { SpawnedProcess, Spawner, SpawnRequest } from "../../worker/spawner.ts";
import type { Worker } from "../../worker/worker.ts";

/** A process that does nothing but what a test has it do. Lives on when the worker that started it is forgotten. */
export class FakeProcess {
  readonly run: RunFile;
  readonly inspect: SpawnRequest["inspect"];
  readonly pid: number;
  readonly startTicks: number;
  /** What the worker said since the last connection. */
  heard: ParentMessage[] = [];
  isAlive = true;
  wasTerminated = false;
  /** Ends at once when told to, as a well-behaved process does. */
  endsWhenTold = true;
  residentBytes: number | undefined;
  isStopped = false;
  onExit: (exit: ProcessExit) => void = () => {};
  #listener: ControlLinkListener | undefined;

  constructor(request: SpawnRequest, pid: number) {
    this.run = request.run;
    this.inspect = request.inspect;
    this.pid = pid;
    this.startTicks = pid * 10;
  }

  /** Dials the worker; false when it was refused. */
  dial(worker: Worker, changes: { readonly secret?: string; readonly pid?: number } = {}): boolean {
    this.heard = [];
    const hello = {
      kind: "hello",
      id: this.run.id,
      secret: this.run.controlSecret,
      pid: this.pid,
      ...changes,
    } as const;
    let isOpen = true;
    const listener = worker.accept(hello, {
      send: (message) => {
        if (isOpen && this.isAlive) this.heard.push(structuredClone(message));
      },
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        listener?.onClose();
      },
    });
    this.#listener = listener;
    return listener !== undefined;
  }

  /** Its link breaks; what it says before it dials again is lost. */
  hangUp(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onClose();
  }

  /** Says something to the worker. */
  say(message: ChildMessage): void {
    this.#listener?.onMessage(message);
  }

  /** Says that it is a ready replica. */
  sayReady(port = 5_000 + this.pid): void {
    this.say({ kind: "replica", report: replicaReport({ state: "ready", address: { host: "127.0.0.1", port } }) });
  }

  /** The newest message of a kind that it heard. */
  last<K extends ParentMessage["kind"]>(kind: K): Extract<ParentMessage, { readonly kind: K }> | undefined {
    return this.heard.findLast(
      (message): message is Extract<ParentMessage, { readonly kind: K }> => message.kind === kind,
    );
  }

  /** Ends. */
  exit(exit: ProcessExit = { kind: "exited", code: 0 }): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.onExit(exit);
  }
}

/** A replica's report with everything but what a test is about filled in. */
export function replicaReport(
  changes: Partial<Extract<ChildMessage, { readonly kind: "replica" }>["report"]>,
): Extract<ChildMessage, { readonly kind: "replica" }>["report"] {
  return {
    state: "starting",
    reason: "",
    isPermanent: false,
    address: undefined,
    maxOngoingRequests: 16,
    ongoing: 0,
    provider: "cpu",
    batches: [],
    ...changes,
  };
}

/** Processes in memory; one spawner outlives several workers, as a machine does. */
export class FakeSpawner implements Spawner {
  readonly processes: FakeProcess[] = [];

  /** Those that have not ended, of one role. */
  alive(role: RunFile["role"]): readonly FakeProcess[] {
    return this.processes.filter((process) => process.isAlive && process.run.role === role);
  }

  spawn(request: SpawnRequest, onExit: (exit: ProcessExit) => void): SpawnedProcess {
    const process = new FakeProcess(request, 100 + this.processes.length);
    this.processes.push(process);
    return this.#watch(process, onExit);
  }

  adopt(run: RunFile, onExit: (exit: ProcessExit) => void): SpawnedProcess | undefined {
    const process = this.processes.find(
      (one) => one.pid === run.pid && one.startTicks === run.startTicks && one.isAlive,
    );
    return process === undefined ? undefined : this.#watch(process, onExit);
  }

  #watch(process: FakeProcess, onExit: (exit: ProcessExit) => void): SpawnedProcess {
    process.onExit = onExit;
    const terminate = (): void => {
      process.wasTerminated = true;
      if (process.endsWhenTold) queueMicrotask(() => process.exit({ kind: "killed", signal: "SIGTERM" }));
    };
    return {
      pid: process.pid,
      startTicks: process.startTicks,
      terminate,
      residentBytes: () => process.residentBytes,
      isStopped: () => process.isStopped,
      check() {},
    };
  }
}
