import { readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";

/** A file that says which process owns something. */
export type FileLock = {
  /** Never rejects. */
  release(): Promise<void>;
};

/**
 * Makes this process the owner. A lock whose process is gone, or whose pid belongs to a later process, is taken over.
 *
 * @throws {Error} when a living process has it
 */
export async function lockFile(path: string): Promise<FileLock> {
  const mine = `${process.pid} ${startTicks(process.pid)}\n`;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(path, mine, { flag: "wx", mode: 0o600 });
      return { release: () => rm(path, { force: true }).catch(() => undefined) };
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
    }
    const [pid = 0, ticks = 0] = (await readFile(path, "utf8").catch(() => "")).trim().split(" ").map(Number);
    if (pid > 0 && isAlive(pid, ticks)) {
      throw new Error(`${path} belongs to process ${pid}, which runs: end it, or use another --data-dir`);
    }
    await rm(path, { force: true });
  }
  throw new Error(`${path} is taken again and again by another process; use another --data-dir`);
}

function isAlive(pid: number, ticks: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return startTicks(pid) === ticks;
}

/** Field 22 of /proc/<pid>/stat, counted after the name in parentheses; 0 where there is no /proc. */
function startTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? 0);
  } catch {
    return 0;
  }
}
