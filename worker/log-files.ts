/**
 * The log files of the node's processes. Each process appends to its own file (O_APPEND), so a file that has grown too
 * long is copied to `<name>.1` and cut to nothing under the process's hands; what is written between the two is lost,
 * which is a line or two of many thousands.
 */
import { copyFileSync, existsSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "../core/clock.ts";
import { LOG_FILES_KEPT, LOG_POLL_MS, MOST_LOG_FILE_BYTES, MOST_LOG_TAIL_BYTES } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import { DATA_DIR } from "../core/process-config.ts";

/** What a worker does with the output of its children. */
export interface NodeLogs {
  /** The last `lines` lines of each replica of `deployment` (`application/deployment`; all when empty), JSON lines. */
  tail(deployment: string, lines: number): Promise<string>;
  /** Removes the oldest files of processes that are gone, beyond LOG_FILES_KEPT. */
  prune(live: ReadonlySet<string>): void;
}

/** Replicas' files; the supervisor's, the controller's and the worker's own are not anybody's deployment. */
const REPLICA_LOG = /^replica-.*\.log$/;
const CHILD_LOG = /^(?:replica|proxy)-.*\.log$/;

/** The logs folder of a data directory, rotated until `close`. */
export function createNodeLogs(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
}): NodeLogs & { close(): void } {
  const { clock, log } = deps;
  const folder = join(deps.dataDir, DATA_DIR.logs);
  const poll = (): Timer =>
    clock.after(LOG_POLL_MS, () => {
      rotate(log, folder);
      timer = poll();
    });
  let timer = poll();
  return {
    async tail(deployment, lines) {
      const names = (await orNothing(readdir(folder), [])).filter((name) => REPLICA_LOG.test(name)).toSorted();
      const found: string[] = [];
      // All of it travels as one message, so the files share its bound.
      const mostBytes = Math.floor(MOST_LOG_TAIL_BYTES / Math.max(1, names.length));
      for (const name of names) {
        const all = await orNothing(lastLines(join(folder, name), mostBytes), []);
        found.push(...all.filter((line) => isOf(line, deployment)).slice(-Math.max(1, lines)));
      }
      return found.join("\n");
    },
    prune: (live) => prune(log, folder, live),
    close: () => timer.cancel(),
  };
}

/** Cuts every file that is over its limit; called every LOG_POLL_MS. */
export function rotate(log: Logger, folder: string, mostBytes: number = MOST_LOG_FILE_BYTES): void {
  // Somebody may have cleared the folder away, which is theirs to do.
  const names = existsSync(folder) ? readdirSync(folder) : [];
  for (const name of names) {
    if (!name.endsWith(".log")) continue;
    const path = join(folder, name);
    try {
      if (statSync(path).size <= mostBytes) continue;
      copyFileSync(path, `${path}.1`);
      truncateSync(path);
    } catch (err) {
      log.warn({ err, path }, "a log file could not be rotated");
    }
  }
}

function prune(log: Logger, folder: string, live: ReadonlySet<string>): void {
  try {
    const gone = readdirSync(folder)
      .filter((name) => CHILD_LOG.test(name) && !live.has(name.slice(0, -".log".length)))
      .map((name) => ({ path: join(folder, name), at: statSync(join(folder, name)).mtimeMs }))
      .toSorted((left, right) => right.at - left.at);
    for (const { path } of gone.slice(LOG_FILES_KEPT)) {
      rmSync(path, { force: true });
      rmSync(`${path}.1`, { force: true });
    }
  } catch (err) {
    log.warn({ err, folder }, "old log files could not be removed");
  }
}

/** What was read, or `nothing` where the file or folder has gone. */
async function orNothing<T>(reading: Promise<T>, nothing: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return nothing;
    throw error;
  }
}

/** Whole lines from the end of a file, at most so many bytes of them. */
async function lastLines(path: string, mostBytes: number): Promise<readonly string[]> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - mostBytes);
    const buffer = Buffer.alloc(Math.min(size, mostBytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const lines = buffer.toString("utf8", 0, bytesRead).split("\n");
    // The first may have lost its beginning.
    return (from > 0 ? lines.slice(1) : lines).filter((line) => line !== "");
  } finally {
    await file.close();
  }
}

/** Whether a line is JSON and, if asked for, says that it is of that deployment. */
function isOf(line: string, deployment: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // Output of the runtime itself, such as a crash report; it is in the file.
    return false;
  }
  if (typeof value !== "object" || value === null) return false;
  if (deployment === "") return true;
  const fields = value as { readonly application?: unknown; readonly deployment?: unknown };
  return (
    fields.deployment === deployment || `${String(fields.application)}/${String(fields.deployment)}` === deployment
  );
}
