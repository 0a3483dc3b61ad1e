/**
 * Child processes of a worker: replicas (blank at first) and proxies. Each is started in a group of its own with its
 * output in an append-only file and without any pipe to the worker, so that it lives on when the worker is killed; the
 * worker after that one adopts it. An adopted process is nobody's child any more, so its end is found by looking.
 *
 * A pid is signalled only while its start ticks say that it is still the same process: pids are used again.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "../core/clock.ts";
import { KILL_AFTER_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import { DATA_DIR } from "../core/process-config.ts";
import type { ChildRole } from "../proto/control/message.ts";
import type { ProcessExit } from "./decide/exit-reason.ts";
import type { SpawnedProcess, Spawner, SpawnRequest } from "./spawner.ts";

/** What the spawner of real processes is made from. */
export type ProcessSpawnerDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  /** File to run for each role; its only argument is the path of the run file. */
  readonly programs: Readonly<Record<ChildRole, string>>;
  /** Options for Node itself, before the program. */
  readonly execArgv: readonly string[];
  /** Environment of the worker; children get the part of it that the system and Node need. */
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** How often adopted processes are looked at; reading one line of /proc takes 20 µs. */
const ADOPTED_POLL_MS = 100;

/** User code gets its settings from the deployment's `env`, not from whoever happened to start the cluster. */
const PASSED_ON =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TEMP|TMP|TZ|LANG|LC_.*|XDG_CACHE_HOME|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|NODE_COMPILE_CACHE|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy)$/;

/** Starts, watches and ends real processes. */
export function createProcessSpawner(deps: ProcessSpawnerDeps): Spawner {
  const env = Object.fromEntries(Object.entries(deps.env).filter(([name]) => PASSED_ON.test(name)));
  return {
    spawn: (request, onExit) => new OwnProcess(deps, startProcess(deps, env, request), onExit),
    adopt(run, onExit) {
      const stat = readProcess(run.pid);
      const isSame = stat !== undefined && (run.startTicks === 0 || stat.startTicks === run.startTicks);
      return isSame ? new AdoptedProcess(deps, { pid: run.pid, startTicks: stat.startTicks }, onExit) : undefined;
    },
  };
}

/** Where the output of the child `id` goes. */
export function logPath(dataDir: string, id: string): string {
  return join(dataDir, DATA_DIR.logs, `${id}.log`);
}

/** Where the run file of the child `id` is. */
export function runPath(dataDir: string, id: string): string {
  return join(dataDir, DATA_DIR.run, `${id}.json`);
}

/**
 * What a proxy makes for a request lives as long as that. With little memory for young objects it stays in the processor's
 * cache, and bodies are given back by collections of the young before the engine starts one of everything for their sake: a
 * third less CPU time for 64 KB than with Node's default. With half as much, what 256 connections have under way no longer
 * fits with node:http's objects, and a 1 KB request costs half as much again. What waits in a queue outlives that; with room for the old from the
 * start an overloaded proxy stops for a full collection of 10 to 30 ms every ten seconds instead of every two. Replicas run
 * other people's code and keep the default.
 */
const PROXY_MEMORY = ["--max-semi-space-size=8", "--initial-old-space-size=128"];

function startProcess(
  deps: ProcessSpawnerDeps,
  env: Readonly<Record<string, string | undefined>>,
  { run, inspect }: SpawnRequest,
): ChildProcess {
  const output = openSync(logPath(run.dataDir, run.id), "a", 0o600);
  try {
    const inspector = inspect === undefined ? [] : [`--inspect=${inspect.host}:${inspect.port}`];
    const memory = run.role === "proxy" ? PROXY_MEMORY : [];
    const args = [...memory, ...deps.execArgv, ...inspector, deps.programs[run.role], runPath(run.dataDir, run.id)];
    return spawn(process.execPath, args, { detached: true, stdio: ["ignore", output, output], env: { ...env } });
  } finally {
    closeSync(output);
  }
}

/** A process this worker started: the system tells how it ended. */
class OwnProcess implements SpawnedProcess {
  readonly pid: number;
  readonly startTicks: number;
  readonly #deps: ProcessSpawnerDeps;
  #hasEnded = false;
  #killTimer: Timer | undefined;

  constructor(deps: ProcessSpawnerDeps, child: ChildProcess, onExit: (exit: ProcessExit) => void) {
    this.#deps = deps;
    const killsBefore = outOfMemoryKills();
    this.pid = child.pid ?? 0;
    this.startTicks = this.pid === 0 ? 0 : (readProcess(this.pid)?.startTicks ?? 0);
    const end = (exit: ProcessExit): void => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      this.#killTimer?.cancel();
      // What the process started itself is in its group still, and nobody else will end it.
      signal(deps.log, -this.pid, "SIGKILL");
      onExit(exit);
    };
    child.on("error", (err) => end({ kind: "lost", cause: `could not be started: ${err.message}` }));
    child.on("exit", (code, name) =>
      end(
        code === null
          ? { kind: "killed", signal: name ?? "a signal", outOfMemoryKills: outOfMemoryKills() - killsBefore }
          : { kind: "exited", code },
      ),
    );
  }

  terminate(killAfterMs = KILL_AFTER_MS): void {
    if (this.#hasEnded || this.#killTimer !== undefined) return;
    signal(this.#deps.log, this.pid, "SIGTERM");
    this.#killTimer = this.#deps.clock.after(killAfterMs, () => {
      if (!this.#hasEnded) signal(this.#deps.log, -this.pid, "SIGKILL");
    });
  }

  residentBytes(): number | undefined {
    return this.#hasEnded ? undefined : readResidentBytes(this.pid);
  }

  isStopped(): boolean {
    return !this.#hasEnded && readProcess(this.pid)?.isStopped === true;
  }

  check(): void {
    // The exit event comes by itself.
  }
}

/** A process that an earlier worker started. */
class AdoptedProcess implements SpawnedProcess {
  readonly pid: number;
  readonly startTicks: number;
  readonly #deps: ProcessSpawnerDeps;
  readonly #onExit: (exit: ProcessExit) => void;
  #hasEnded = false;
  #pollTimer: Timer;
  #killTimer: Timer | undefined;

  constructor(
    deps: ProcessSpawnerDeps,
    identity: { readonly pid: number; readonly startTicks: number },
    onExit: (exit: ProcessExit) => void,
  ) {
    this.#deps = deps;
    this.pid = identity.pid;
    this.startTicks = identity.startTicks;
    this.#onExit = onExit;
    this.#pollTimer = deps.clock.after(ADOPTED_POLL_MS, () => this.#poll());
  }

  terminate(killAfterMs = KILL_AFTER_MS): void {
    if (this.#killTimer !== undefined || !this.#isThere()) return;
    signal(this.#deps.log, this.pid, "SIGTERM");
    this.#killTimer = this.#deps.clock.after(killAfterMs, () => {
      if (this.#isThere()) signal(this.#deps.log, -this.pid, "SIGKILL");
    });
  }

  residentBytes(): number | undefined {
    return this.#isThere() ? readResidentBytes(this.pid) : undefined;
  }

  isStopped(): boolean {
    return this.#isThere() && readProcess(this.pid)?.isStopped === true;
  }

  check(): void {
    if (this.#hasEnded || this.#isThere()) return;
    this.#hasEnded = true;
    this.#pollTimer.cancel();
    this.#killTimer?.cancel();
    // Its group may have outlived it; a process that has its pid by now is not of that group.
    if (readProcess(this.pid) === undefined) signal(this.#deps.log, -this.pid, "SIGKILL");
    this.#onExit({ kind: "lost", cause: "ended; how is not known, because its worker had been restarted meanwhile" });
  }

  #poll(): void {
    this.check();
    if (!this.#hasEnded) this.#pollTimer = this.#deps.clock.after(ADOPTED_POLL_MS, () => this.#poll());
  }

  #isThere(): boolean {
    const stat = this.#hasEnded ? undefined : readProcess(this.pid);
    return stat !== undefined && stat.startTicks === this.startTicks;
  }
}

/** A process that runs; undefined when there is none, or only what its parent has not yet collected. */
function readProcess(pid: number): { readonly startTicks: number; readonly isStopped: boolean } | undefined {
  if (pid <= 0) return undefined;
  if (process.platform !== "linux") return isAlive(pid) ? { startTicks: 0, isStopped: false } : undefined;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    // No such file: no such process.
    return undefined;
  }
  // The second field, the command, may hold anything but ends with the last parenthesis; the state comes after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  // Lower case is a debugger's doing.
  return { startTicks: Number(fields[19]), isStopped: fields[0] === "T" };
}

/** Linux alone says it in a file that costs 30 µs to read. */
function readResidentBytes(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
  } catch {
    // No such file: no such process.
    return undefined;
  }
}

/** Processes that the kernel has ended for want of memory, all of the machine's; 0 where the system does not say. */
function outOfMemoryKills(): number {
  if (process.platform !== "linux") return 0;
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "latin1"))?.[1] ?? 0);
  } catch {
    // A system without that file does not say.
    return 0;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Signals a process, or a group by its negative id. One that is gone is as good as one that was signalled. */
function signal(log: Logger, target: number, name: NodeJS.Signals): void {
  if (target === 0) return;
  try {
    process.kill(target, name);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== "ESRCH") log.warn({ err, pid: target }, `${name} was refused`);
  }
}
