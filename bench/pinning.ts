import { execFileSync, spawn } from "node:child_process";

/** Keeps all threads of a process, and those it will start, on a core. */
export function pin(pid: number, core: number): void {
  const args = ["-acp", String(core), String(pid)];
  try {
    execFileSync("taskset", args, { stdio: "ignore" });
  } catch {
    // A thread that ends while it looks through them makes it fail; the next time it is not among them.
    execFileSync("taskset", args, { stdio: "ignore" });
  }
}

/** Keeps one thread on a core, wherever the others of its process are. */
export function pinThread(threadId: number, core: number): void {
  execFileSync("taskset", ["-cp", String(core), String(threadId)], { stdio: "ignore" });
}

/**
 * Keeps a core busy with nothing, at idle priority: two cores may be two threads of one, and each is then slower while the
 * other works, by half as measured, so that whoever leaves the other core idle would look better for that alone. Gives
 * what ends it.
 */
export function keepBusy(core: number): () => void {
  // It looks now and then whether whom it was started by is still there.
  const loop = "while kill -0 $PPID; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done";
  const idle = ["chrt", "--idle", "0", "sh", "-c", loop];
  const child = spawn("taskset", ["-c", String(core), ...idle], { stdio: "ignore" });
  child.on("error", (error) => console.error(`core ${String(core)} is not kept busy: ${error.message}`));
  return () => void child.kill("SIGKILL");
}
