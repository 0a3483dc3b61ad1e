import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { SpawnedProcess } from "./supervised-process.ts";

/** Paths of the programs a supervisor keeps running. */
export type ProcessFiles = { readonly controller: string; readonly worker: string };

/** The programs beside this file: sources in a checkout, `dist/` where it was built. */
export function processFiles(): ProcessFiles {
  const here = fileURLToPath(import.meta.url);
  const root = path.dirname(path.dirname(here));
  const main = `main${path.extname(here)}`;
  return { controller: path.join(root, "controller", main), worker: path.join(root, "worker", main) };
}

/** What to start. */
export type SpawnRequest = {
  readonly file: string;
  readonly configFile: string;
  /** Appended to; a file outlives the supervisor, where a pipe would kill its writer with EPIPE. */
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
};

/** Starts a Node.js program in a process group of its own, tied to this process by the lifeline only. */
export function spawnProcess(request: SpawnRequest): SpawnedProcess {
  // Logs may be deleted at any time, the whole folder too; what is kept running must start again all the same.
  mkdirSync(path.dirname(request.logFile), { recursive: true, mode: 0o700 });
  const log = openSync(request.logFile, "a", 0o600);
  const child = spawn(process.execPath, [request.file, request.configFile], {
    detached: true,
    stdio: ["ignore", log, log],
    env: request.env,
  });
  closeSync(log);
  const pid = child.pid ?? 0;
  let isGone = false;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => {
      isGone = true;
      resolve({ code, signal });
    });
    child.once("error", () => {
      isGone = true;
      resolve({ code: 127, signal: null });
    });
  });
  const kill = (signal: NodeJS.Signals): void => {
    if (isGone || pid === 0) return;
    killQuietly(signal === "SIGKILL" ? -pid : pid, signal);
  };
  return { pid, exited, kill };
}

/** Sends a signal to a process that may be gone by now, which is then as wished. */
export function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Environment of our own processes: the caller's without our flags, which would be read twice, and with a cache for
 * compiled code: the caller's (a checkout has one), else this one.
 */
export function processEnv(env: NodeJS.ProcessEnv, cacheDir: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !/^(THORNBACK_|npm_|PORT$)/.test(name));
  return { ...Object.fromEntries(kept), NODE_COMPILE_CACHE: env["NODE_COMPILE_CACHE"] ?? cacheDir };
}
