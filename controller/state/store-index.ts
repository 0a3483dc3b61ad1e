import { VersionConflictError } from "../../core/error.ts";
import type { StoreChange, StoreEntry } from "./store.ts";

/** Keys and values in memory with their revisions and watchers: what every store that keeps all of it in memory shares. */
export class StoreIndex {
  readonly #entries = new Map<string, StoreEntry>();
  readonly #watchers = new Set<{ readonly prefix: string; readonly onChange: (change: StoreChange) => void }>();
  #revision = 0;

  /** Of the last write. */
  get revision(): number {
    return this.#revision;
  }

  get(key: string): StoreEntry | undefined {
    return this.#entries.get(key);
  }

  /** All below a prefix, ordered by key. */
  list(prefix: string): readonly StoreEntry[] {
    return [...this.#entries.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Throws VersionConflictError unless the key has the expected revision (0: none; undefined: any). */
  expect(key: string, expectRevision: number | undefined): void {
    const revision = this.#entries.get(key)?.revision ?? 0;
    if (expectRevision === undefined || expectRevision === revision) return;
    throw new VersionConflictError(
      `${key} was changed by somebody else (revision ${revision}, expected ${expectRevision}); read it again and retry`,
    );
  }

  /** Takes a write in and tells the watchers. Writes come in the order of their revisions. */
  write(change: StoreChange): void {
    this.#revision = Math.max(this.#revision, change.revision);
    if (change.value === undefined) this.#entries.delete(change.key);
    else this.#entries.set(change.key, { key: change.key, value: change.value, revision: change.revision });
    for (const { prefix, onChange } of [...this.#watchers]) {
      if (change.key.startsWith(prefix)) onChange(change);
    }
  }

  /** Calls back after every later write below a prefix. Returns how to stop. */
  watch(prefix: string, onChange: (change: StoreChange) => void): () => void {
    const watcher = { prefix, onChange };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
