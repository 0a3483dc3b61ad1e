import { appendFile, type FileHandle, mkdir, open, readFile, rename, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../core/log.ts";
import type { StoreChange, StoreEntry } from "./store.ts";
import { recordFromLine, recordToLine } from "./store-record.ts";
import { syncFolder } from "./sync-folder.ts";

/**
 * The files of a store: `log`, to which every write is appended and fsynced, and `snapshot`, into which the log is
 * folded once it is long. They are only read at start.
 *
 * Crashes: a torn last line of the log is a write nobody was told of, and is cut off. A snapshot is written beside the
 * old one and renamed; log lines it already holds have lower revisions and are passed over. A damaged line elsewhere is
 * put aside in `quarantine` and told; the others count. Files are readable by their owner only, because they hold
 * secrets.
 */

const MODE = 0o600;

/** What the files held. */
export type StoreLogContents = {
  /** In the order they were written. */
  readonly changes: readonly StoreChange[];
  /** What was put aside, in words. */
  readonly quarantined: readonly string[];
};

/** An open log. */
export class StoreLog {
  readonly #dir: string;
  readonly #file: FileHandle;
  /** Length of what is certainly on the disk. */
  #bytes: number;
  /** A write failed, and what it left behind the sound part has not been cut off yet. */
  #isTorn = false;

  private constructor(dir: string, file: FileHandle, bytes: number) {
    this.#dir = dir;
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Opens the files in `dir`, which is made when missing, and reads them. */
  static async open(dir: string, log: Logger): Promise<{ log: StoreLog; contents: StoreLogContents }> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const reading: Reading = { dir, log, changes: [], quarantined: [], revision: 0 };
    await read(reading, "snapshot");
    const validBytes = await read(reading, "log");
    await truncate(join(dir, "log"), validBytes).catch(ignoreMissing);
    const file = await open(join(dir, "log"), "a", MODE);
    await syncFolder(dir);
    return { log: new StoreLog(dir, file, validBytes), contents: reading };
  }

  /** Length of the log since it was folded last. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Appends writes; they survive a crash once this resolves. When it rejects none of them counts, and what the disk took
   * of them is cut off before anything else is written.
   */
  async append(changes: readonly StoreChange[]): Promise<void> {
    const text = changes.map(recordToLine).join("");
    if (this.#isTorn) await this.#cut();
    this.#isTorn = true;
    try {
      const { bytesWritten } = await this.#file.write(text);
      if (bytesWritten !== Buffer.byteLength(text)) throw new Error("the disk took only part of a write");
      await this.#file.datasync();
      this.#bytes += bytesWritten;
      this.#isTorn = false;
    } catch (thrown) {
      // At once if the disk lets us, so that a crash does not find it; else before the next write, which then tells.
      await this.#cut().catch(() => undefined);
      throw thrown;
    }
  }

  /** Back to what was acknowledged last. It needs no room on the disk. */
  async #cut(): Promise<void> {
    await this.#file.truncate(this.#bytes);
    await this.#file.datasync();
    this.#isTorn = false;
  }

  /** Writes a snapshot of everything there is, and begins the log anew. */
  async fold(entries: readonly StoreEntry[], revision: number): Promise<void> {
    const temporary = join(this.#dir, "snapshot.new");
    const file = await open(temporary, "w", MODE);
    // The last line deletes a key that never is: it carries the revision, which the last write may have taken with it.
    const lines = [...entries].sort((a, b) => a.revision - b.revision).map(recordToLine);
    lines.push(recordToLine({ key: "", value: undefined, revision }));
    try {
      await file.writeFile(lines.join(""));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(this.#dir, "snapshot"));
    await syncFolder(this.#dir);
    await this.#file.truncate(0);
    this.#bytes = 0;
    await this.#file.datasync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

type Reading = {
  readonly dir: string;
  readonly log: Logger;
  readonly changes: StoreChange[];
  readonly quarantined: string[];
  revision: number;
};

/** Takes a file's lines in. Returns the length of its sound part: all but a torn last line. */
async function read(reading: Reading, name: "snapshot" | "log"): Promise<number> {
  const bytes = await readFile(join(reading.dir, name)).catch(ignoreMissing);
  if (bytes === undefined) return 0;
  let from = 0;
  for (let to = bytes.indexOf(10, from); to !== -1; to = bytes.indexOf(10, from)) {
    const line = bytes.toString("utf8", from, to);
    const change = recordFromLine(line);
    if (change !== undefined) {
      if (name === "snapshot" || change.revision > reading.revision) reading.changes.push(change);
      reading.revision = Math.max(reading.revision, change.revision);
    } else if (name === "log" && to === bytes.length - 1) {
      break;
    } else {
      await quarantine(reading, name, { offset: from, line });
    }
    from = to + 1;
  }
  if (from < bytes.length) {
    const torn = bytes.length - from;
    reading.log.warn({ bytes: torn, dir: reading.dir }, "cut a torn write off the store; nobody was told it was kept");
  }
  return from;
}

async function quarantine(reading: Reading, name: string, at: { offset: number; line: string }): Promise<void> {
  const place = join(reading.dir, "quarantine");
  // The record stays in the log until that is folded, and is met again at every start until then.
  const kept = await readFile(place, "utf8").catch(ignoreMissing);
  if (kept?.includes(`${at.line}\n`) !== true) await appendFile(place, `${at.line}\n`, { mode: MODE });
  const what = `StoreCorrupt: a record of ${join(reading.dir, name)} at byte ${at.offset} is damaged; it is kept in ${place}`;
  reading.quarantined.push(what);
  reading.log.error({ reason: "StoreCorrupt", offset: at.offset, dir: reading.dir }, what);
}

function ignoreMissing(thrown: unknown): undefined {
  if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  throw thrown;
}
