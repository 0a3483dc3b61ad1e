import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Starts a program on a core, or wherever the kernel puts it, and resolves with its first line of output that matches. */
export async function startProgram(
  program: readonly string[],
  core: number | undefined,
  line: RegExp,
): Promise<{ readonly child: ChildProcess; readonly line: string }> {
  const node = [process.execPath, ...program];
  const [command = "", ...args] = core === undefined ? node : ["taskset", "-c", String(core), ...node];
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, CI: "", PORT: "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      const found = out
        .split("\n")
        .slice(0, -1)
        .find((one) => line.test(one));
      if (found !== undefined) resolve({ child, line: found });
    });
    child.once("close", (code) => {
      reject(new Error(`${program.join(" ")} ended with ${String(code)}: ${errors.trim() || out.trim()}`));
    });
  });
}

/** Asks a process to end and waits until it has. */
export async function endProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await ended;
}
