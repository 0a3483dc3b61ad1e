import type { Address } from "../core/network.ts";
import type { RunFile } from "../proto/control/message.ts";
import type { ProcessExit } from "./decide/exit-reason.ts";

/** A child process of the node, started by this worker or by the one before it. */
export interface SpawnedProcess {
  /** 0 when it could not be started. */
  readonly pid: number;
  /** Tells it from a later process with the same pid; 0 where the system does not say. */
  readonly startTicks: number;
  /** Asks it to end, and ends it with everything it started after `killAfterMs`, by default KILL_AFTER_MS. Safe to call again. */
  terminate(killAfterMs?: number): void;
  /** Memory it has in the machine's; undefined where the system does not say, or the process is gone. */
  residentBytes(): number | undefined;
  /** Whether it is stopped as a whole, as by SIGSTOP; false where the system does not say. */
  isStopped(): boolean;
  /** Looks now whether it is still there: a hint that it may not be. */
  check(): void;
}

/** What to start. Its run file is on disk already. */
export type SpawnRequest = { readonly run: RunFile; readonly inspect: Address | undefined };

/** The only way to processes for code that also runs in the simulation. */
export interface Spawner {
  /** `onExit` is called exactly once and never before this returns, also when the process could not be started. */
  spawn(request: SpawnRequest, onExit: (exit: ProcessExit) => void): SpawnedProcess;
  /** The process of a run file, if it still runs and is the same one; with start ticks 0 its pid alone is believed. */
  adopt(run: RunFile, onExit: (exit: ProcessExit) => void): SpawnedProcess | undefined;
}
