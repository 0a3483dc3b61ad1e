import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../core/log.ts";
import { STORE_LOG_BYTES } from "../../core/limits.ts";
import { type FileLock, lockFile } from "./file-lock.ts";
import type { Store, StoreChange, StoreEntry, StoreInfo } from "./store.ts";
import { StoreIndex } from "./store-index.ts";
import { StoreLog } from "./store-log.ts";

/**
 * The store of one machine: all of it in memory, every write in a log on disk before it is acknowledged. Writes that
 * come while the disk is busy go out together, with one fsync. One process at a time, by a lock file. A write that
 * the disk refuses is rejected and leaves nothing behind; the next one tries again, so a full disk that was given room
 * needs no restart.
 */

/** What a file store needs. */
export type FileStoreDeps = {
  readonly log: Logger;
  /** Folder of its own; made when missing. */
  readonly dir: string;
  /** Length of the log at which it is folded; smaller in tests. */
  readonly mostLogBytes?: number;
};

/** A write to come: `change` compares it with what is there, and says what it changes, if anything. */
type Write = {
  readonly change: () => Omit<StoreChange, "revision"> | undefined;
  readonly resolve: (revision: number) => void;
  readonly reject: (error: unknown) => void;
};

/** The file store; {@link openFileStore} makes one. */
export class FileStore implements Store {
  readonly #deps: FileStoreDeps;
  readonly #lock: FileLock;
  readonly #file: StoreLog;
  readonly #quarantined: readonly string[];
  readonly #index = new StoreIndex();
  #waiting: Write[] = [];
  #writing: Promise<void> | undefined;
  /** Why the last write failed. */
  #failure: string | undefined;
  #isClosed = false;

  constructor(deps: FileStoreDeps, opened: { lock: FileLock } & Awaited<ReturnType<typeof StoreLog.open>>) {
    this.#deps = deps;
    this.#lock = opened.lock;
    this.#file = opened.log;
    this.#quarantined = opened.contents.quarantined;
    for (const change of opened.contents.changes) this.#index.write(change);
  }

  async get(key: string): Promise<StoreEntry | undefined> {
    return this.#index.get(key);
  }

  put(key: string, value: string, expectRevision?: number): Promise<number> {
    return this.#write(() => {
      this.#index.expect(key, expectRevision);
      return { key, value };
    });
  }

  async delete(key: string, expectRevision?: number): Promise<void> {
    await this.#write(() => {
      this.#index.expect(key, expectRevision);
      return this.#index.get(key) === undefined ? undefined : { key, value: undefined };
    });
  }

  async list(prefix: string): Promise<readonly StoreEntry[]> {
    return this.#index.list(prefix);
  }

  watch(prefix: string, onChange: (change: StoreChange) => void): () => void {
    return this.#index.watch(prefix, onChange);
  }

  async info(): Promise<StoreInfo> {
    return { kind: "file", revision: this.#index.revision, quarantined: this.#quarantined, failure: this.#failure };
  }

  /** Finishes what is being written and frees the lock. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing;
    await this.#file.close();
    await this.#lock.release();
  }

  #write(change: Write["change"]): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(new Error("the store is closed"));
        return;
      }
      this.#waiting.push({ change, resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  /** Ends in the same turn in which it finds nothing left, so that no write comes between the two. */
  async #drain(): Promise<void> {
    // Writes of the turn that began it belong to the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#commit(this.#nextGroup());
      if (this.#file.bytes > (this.#deps.mostLogBytes ?? STORE_LOG_BYTES)) await this.#fold();
    }
    this.#writing = undefined;
  }

  /**
   * Writes that go out together: all that wait, up to the second one to the same key, which must see the first in the
   * index to be compared with it.
   */
  #nextGroup(): readonly { readonly write: Write; readonly change: StoreChange }[] {
    const group: { readonly write: Write; readonly change: StoreChange }[] = [];
    const keys = new Set<string>();
    for (let write = this.#waiting[0]; write !== undefined; write = this.#waiting[0]) {
      try {
        const change = write.change();
        if (change !== undefined && keys.has(change.key)) return group;
        if (change === undefined) write.resolve(this.#index.revision);
        else {
          keys.add(change.key);
          group.push({ write, change: { ...change, revision: this.#index.revision + group.length + 1 } });
        }
      } catch (thrown) {
        write.reject(thrown);
      }
      this.#waiting.shift();
    }
    return group;
  }

  async #commit(group: readonly { readonly write: Write; readonly change: StoreChange }[]): Promise<void> {
    if (group.length === 0) return;
    try {
      await this.#file.append(group.map(({ change }) => change));
    } catch (thrown) {
      const cause = thrown instanceof Error ? thrown.message : String(thrown);
      const next = "free space or repair the disk, then try again";
      this.#failure = `the store in ${this.#deps.dir} cannot be written (${cause}); ${next}`;
      const error = new Error(this.#failure, { cause: thrown });
      for (const { write } of group) write.reject(error);
      return;
    }
    this.#failure = undefined;
    for (const { write, change } of group) {
      this.#index.write(change);
      write.resolve(change.revision);
    }
  }

  async #fold(): Promise<void> {
    try {
      await this.#file.fold(this.#index.list(""), this.#index.revision);
    } catch (thrown) {
      // The log is whole and goes on growing; the next write tries again.
      this.#deps.log.error({ err: thrown, dir: this.#deps.dir }, "folding the store's log into its snapshot failed");
    }
  }
}

/**
 * Opens a file store and reads it.
 *
 * @throws {Error} when another process has it open, or the folder cannot be written
 */
export async function openFileStore(deps: FileStoreDeps): Promise<FileStore> {
  await mkdir(deps.dir, { recursive: true, mode: 0o700 });
  const lock = await lockFile(join(deps.dir, "lock"));
  try {
    return new FileStore(deps, { lock, ...(await StoreLog.open(deps.dir, deps.log)) });
  } catch (thrown) {
    await lock.release();
    throw thrown;
  }
}
