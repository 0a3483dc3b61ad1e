import { KILL_AFTER_MS } from "../core/limits.ts";
import type { Random } from "../core/random.ts";
import type { RunFile } from "../proto/control/message.ts";
import type { ProcessExit } from "../worker/decide/exit-reason.ts";
import type { SpawnedProcess, Spawner } from "../worker/spawner.ts";
import { between } from "./seed.ts";
import type { SimClock } from "./sim-clock.ts";
import { type Death, KILLED, type SimProcess } from "./sim-process.ts";

/**
 * Child processes of a node (`worker/spawner.ts`) as objects in this process. They outlive the worker that spawned
 * them; the next one adopts them, and hears of their end only by looking, as it does in production.
 */

/** Node's own start, and loading the runtime. */
const START_MS = { least: 40, most: 180 } as const;
/** From SIGTERM until a process that obeys it is gone. */
const TERMINATE_MS = 5;
/** How often the end of an adopted process is looked for. */
const ADOPTED_POLL_MS = 100;

/** What a program does once its process runs; it ends by `exit`. */
export type Program = (process: SimProcess, run: RunFile, exit: (code: number) => void) => void;

/** What a node's spawner is made from. */
export type SimSpawnerDeps = {
  readonly clock: SimClock;
  readonly random: Random;
  /** Makes the process of a run file on this node's machine. */
  readonly createProcess: (run: RunFile) => SimProcess;
  readonly program: Program;
};

type Child = { readonly process: SimProcess; readonly startTicks: number; death: Death | undefined };

function exitOf(death: Death): ProcessExit {
  if (death.exitCode !== undefined) return { kind: "exited", code: death.exitCode };
  return { kind: "killed", signal: death.signal ?? "SIGKILL" };
}

/** All child processes of one node. */
export class SimSpawner {
  readonly #deps: SimSpawnerDeps;
  readonly #children = new Map<number, Child>();
  #ticks = 0;

  constructor(deps: SimSpawnerDeps) {
    this.#deps = deps;
  }

  /** Processes that are alive. */
  get processes(): readonly SimProcess[] {
    return [...this.#children.values()].map((child) => child.process);
  }

  /** The spawner as the worker in `worker` has it: it hears of exits only while that process lives. */
  forWorker(worker: SimProcess): Spawner {
    const { clock } = this.#deps;
    return {
      spawn: ({ run }, onExit) => {
        const child = this.#start(run);
        child.process.onDeath((death) => clock.after(0.1, () => worker.run(() => onExit(exitOf(death)))));
        return this.#spawned(child);
      },
      adopt: (run, onExit) => {
        const child = this.#children.get(run.pid);
        if (child === undefined || (run.startTicks !== 0 && child.startTicks !== run.startTicks)) return undefined;
        child.process.onDeath(() => {
          const delayMs = between(this.#deps.random, 0, ADOPTED_POLL_MS);
          const exit: ProcessExit = { kind: "lost", cause: "ended while no worker was its parent" };
          clock.after(delayMs, () => worker.run(() => onExit(exit)));
        });
        return this.#spawned(child);
      },
    };
  }

  #start(run: RunFile): Child {
    const { clock, random, createProcess, program } = this.#deps;
    const process = createProcess(run);
    const child: Child = { process, startTicks: ++this.#ticks, death: undefined };
    this.#children.set(process.pid, child);
    process.onDeath(() => this.#children.delete(process.pid));
    clock.after(between(random, START_MS.least, START_MS.most), () => {
      process.run(() => program(process, run, (code) => this.#exit(process, code)));
    });
    return child;
  }

  #exit(process: SimProcess, exitCode: number): void {
    // At the end of the turn, so that what the process sent last still leaves it.
    this.#deps.clock.after(0, () => process.die({ exitCode, signal: undefined, isSilent: false }));
  }

  #spawned({ process, startTicks }: Child): SpawnedProcess {
    const { clock } = this.#deps;
    let isTerminated = false;
    return {
      pid: process.pid,
      startTicks,
      residentBytes: () => undefined,
      isStopped: () => process.isPaused,
      terminate: (killAfterMs = KILL_AFTER_MS) => {
        if (isTerminated) return;
        isTerminated = true;
        clock.after(TERMINATE_MS, () => process.run(() => process.die({ ...KILLED, signal: "SIGTERM" })));
        clock.after(killAfterMs, () => process.die(KILLED));
      },
      check: () => {},
    };
  }
}
