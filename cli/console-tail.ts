/**
 * Follows what replicas print, by their log files: those of a cluster in the foreground belong on its terminal too.
 * Files that are there already begin at their end, new ones at their beginning. One that got shorter was rotated.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync, watch, type FSWatcher } from "node:fs";
import path from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { Clock, Timer } from "../core/clock.ts";
import { type LogLine, parseLogLine } from "./log-line.ts";

/** Changes that the system does not announce are seen after so long. */
const LOOK_MS = 250;
const CHUNK_BYTES = 64 * 1024;
const REPLICA_LOG = /^replica-.*\.log$/;

/** What a {@link ConsoleTail} works with. */
export type ConsoleTailDeps = {
  readonly clock: Clock;
  readonly folder: string;
  readonly onLine: (line: LogLine) => void;
};

type Followed = { offset: number; readonly decoder: StringDecoder; rest: string };

/** Follows a folder of log files; see the head of the file. */
export class ConsoleTail {
  readonly #deps: ConsoleTailDeps;
  readonly #files = new Map<string, Followed>();
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;

  constructor(deps: ConsoleTailDeps) {
    this.#deps = deps;
  }

  /** Begins with what is printed from now on. */
  start(): void {
    const { folder } = this.#deps;
    for (const name of this.#names()) this.#files.set(name, follow(statSync(path.join(folder, name)).size));
    this.#watcher = watch(folder, () => this.#look());
    // Watching is a hint only; the timer sees what it misses, and errors of it change nothing.
    this.#watcher.on("error", () => this.#watcher?.close());
    this.#schedule();
  }

  /** Prints what is left and ends. */
  close(): void {
    this.#timer?.cancel();
    this.#watcher?.close();
    this.#look();
  }

  #schedule(): void {
    this.#timer = this.#deps.clock.after(LOOK_MS, () => {
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const names = this.#names();
    for (const name of this.#files.keys()) if (!names.includes(name)) this.#files.delete(name);
    for (const name of names) {
      const file = this.#files.get(name) ?? follow(0);
      this.#files.set(name, file);
      this.#read(name, file);
    }
  }

  #read(name: string, file: Followed): void {
    const handle = openIfThere(path.join(this.#deps.folder, name));
    if (handle === undefined) return;
    try {
      if (fstatSync(handle).size < file.offset) file.offset = 0;
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      for (let count = readSync(handle, chunk, 0, CHUNK_BYTES, file.offset); count > 0;) {
        file.offset += count;
        this.#print(name, file, file.decoder.write(chunk.subarray(0, count)));
        count = readSync(handle, chunk, 0, CHUNK_BYTES, file.offset);
      }
    } finally {
      closeSync(handle);
    }
  }

  #print(name: string, file: Followed, text: string): void {
    const lines = (file.rest + text).split("\n");
    file.rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") this.#deps.onLine(parseLogLine(name.replace(/\.log$/, ""), line));
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.#deps.folder).filter((name) => REPLICA_LOG.test(name));
    } catch (error) {
      // Logs may be deleted at any time, the whole folder too.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }
}

/** Old log files are removed at any time. */
function openIfThere(file: string): number | undefined {
  try {
    return openSync(file, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function follow(offset: number): Followed {
  return { offset, decoder: new StringDecoder("utf8"), rest: "" };
}
