import { type FSWatcher, watch } from "node:fs";
import path from "node:path";
import type { Clock, Timer } from "../core/clock.ts";

/** Editors save in several steps; what follows within this belongs to the same change. */
const QUIET_MS = 100;

/** What a {@link SourceWatch} works with. */
export type SourceWatchDeps = {
  readonly clock: Clock;
  /** Absolute paths. */
  readonly sources: readonly string[];
  /** Gets the first file of a change. It is called again only after its promise has settled. */
  readonly onChange: (file: string) => Promise<void>;
};

/**
 * Calls back when one of some files changed, once for changes that come together. Watches their folders, because many
 * editors save a file by putting another in its place; packages in node_modules are left out.
 */
export class SourceWatch {
  readonly #deps: SourceWatchDeps;
  readonly #folders = new Map<string, FSWatcher>();
  #sources: ReadonlySet<string> = new Set();
  #timer: Timer | undefined;
  #changed = "";
  #isBusy = false;

  constructor(deps: SourceWatchDeps) {
    this.#deps = deps;
    this.follow(deps.sources);
  }

  /** From now on these are the files; a change may have brought some in and left others out. */
  follow(sources: readonly string[]): void {
    this.#sources = new Set(sources.filter((file) => !file.includes(`${path.sep}node_modules${path.sep}`)));
    const folders = new Set([...this.#sources].map((file) => path.dirname(file)));
    for (const [folder, watcher] of this.#folders) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
    for (const folder of folders) {
      if (!this.#folders.has(folder)) this.#folders.set(folder, this.#watch(folder));
    }
  }

  /** Calls back no more. */
  close(): void {
    this.#timer?.cancel();
    for (const watcher of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  #watch(folder: string): FSWatcher {
    const watcher = watch(folder, (_event, name) => {
      const file = path.join(folder, name ?? "");
      if (!this.#sources.has(file)) return;
      if (this.#changed === "") this.#changed = file;
      this.#timer?.cancel();
      this.#timer = this.#deps.clock.after(QUIET_MS, () => this.#fire());
    });
    // A folder that vanished has no changes; its files are told when the next bundle lacks them.
    watcher.on("error", () => watcher.close());
    return watcher;
  }

  #fire(): void {
    if (this.#isBusy) {
      this.#timer = this.#deps.clock.after(QUIET_MS, () => this.#fire());
      return;
    }
    const file = this.#changed;
    this.#changed = "";
    this.#isBusy = true;
    void this.#deps.onChange(file).finally(() => (this.#isBusy = false));
  }
}
