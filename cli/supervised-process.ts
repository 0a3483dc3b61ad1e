/**
 * One process that is kept running: `idle` → `running` ⇄ `waiting` (backoff after an exit) → `stopped`. It comes back
 * with the configuration of the moment, so that ports it was given by the system are asked for by number from then on.
 * One that dies several times before it ever was ready is given up, because trying again will not mend it.
 */
import { backoff } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { SUPERVISE_BACKOFF } from "../core/limits.ts";
import type { Random } from "../core/random.ts";

/** Deaths before the first readiness that end the attempt. */
const GIVE_UP_AFTER = 3;

/** How a process ended. */
export type ProcessExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** A process that was started. */
export type SpawnedProcess = {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  /** To the process alone, or (SIGKILL) to its whole group. Harmless once it is gone. */
  kill(signal: NodeJS.Signals): void;
};

/** What a {@link SupervisedProcess} works with. */
export type SupervisedProcessDeps = {
  readonly clock: Clock;
  readonly random: Random;
  /** Writes the configuration of the moment and starts the process with it. */
  readonly spawn: () => SpawnedProcess;
  readonly onStart: (pid: number) => void;
  /** It died and is started again; told then and not before, because its last words may say that it is no use. */
  readonly onRestart: (exit: ProcessExit) => void;
  /** It could not even be spawned again, on a full disk say; it is tried again. */
  readonly onSpawnFailed: (thrown: unknown) => void;
  /** It died too often before it was ever ready. */
  readonly onGiveUp: (exit: ProcessExit) => void;
};

/** Keeps one process running; see the head of the file. */
export class SupervisedProcess {
  readonly #deps: SupervisedProcessDeps;
  #child: SpawnedProcess | undefined;
  #restart: Timer | undefined;
  #isStopping = false;
  #wasReady = false;
  #startedAt = 0;
  /** Deaths in a row; a life of more than the longest backoff begins a new row. */
  #deaths = 0;

  constructor(deps: SupervisedProcessDeps) {
    this.#deps = deps;
  }

  /** Of the running process; 0 while there is none. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it for the first time. */
  start(): void {
    const { clock, spawn, onStart } = this.#deps;
    const child = spawn();
    this.#startedAt = clock.now();
    this.#child = child;
    void child.exited.then((exit) => this.#ended(exit));
    onStart(child.pid);
  }

  /** It works, so from now on it is never given up. */
  markReady(): void {
    this.#wasReady = true;
  }

  /** Asks it to end and resolves when it has; it is not started again. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#isStopping = true;
    this.#restart?.cancel();
    const child = this.#child;
    if (child === undefined) return;
    child.kill(signal);
    await child.exited;
  }

  #ended(exit: ProcessExit): void {
    const { clock, onRestart, onGiveUp } = this.#deps;
    this.#child = undefined;
    if (this.#isStopping) return;
    this.#deaths = clock.now() - this.#startedAt >= SUPERVISE_BACKOFF.mostMs ? 1 : this.#deaths + 1;
    if (!this.#wasReady && this.#deaths >= GIVE_UP_AFTER) {
      onGiveUp(exit);
      return;
    }
    this.#startLater(() => onRestart(exit));
  }

  #startLater(announce: () => void): void {
    const { clock, random, onSpawnFailed } = this.#deps;
    this.#restart = clock.after(backoff(this.#deaths - 1, SUPERVISE_BACKOFF, random), () => {
      announce();
      try {
        this.start();
      } catch (thrown) {
        this.#deaths++;
        onSpawnFailed(thrown);
        this.#startLater(() => undefined);
      }
    });
  }
}

/** A process's end in words, for instance `exited with code 1` or `was killed by SIGKILL`. */
export function describeExit(exit: ProcessExit): string {
  return exit.signal === null ? `exited with code ${String(exit.code ?? 0)}` : `was killed by ${exit.signal}`;
}
