import type { Store, StoreChange, StoreEntry, StoreInfo } from "../../controller/state/store.ts";
import { StoreIndex } from "../../controller/state/store-index.ts";

/** A store that forgets everything with its process; for tests. */
export class MemoryStore implements Store {
  readonly #index = new StoreIndex();

  async get(key: string): Promise<StoreEntry | undefined> {
    return this.#index.get(key);
  }

  async put(key: string, value: string, expectRevision?: number): Promise<number> {
    this.#index.expect(key, expectRevision);
    const revision = this.#index.revision + 1;
    this.#index.write({ key, value, revision });
    return revision;
  }

  async delete(key: string, expectRevision?: number): Promise<void> {
    this.#index.expect(key, expectRevision);
    if (this.#index.get(key) === undefined) return;
    this.#index.write({ key, value: undefined, revision: this.#index.revision + 1 });
  }

  async list(prefix: string): Promise<readonly StoreEntry[]> {
    return this.#index.list(prefix);
  }

  watch(prefix: string, onChange: (change: StoreChange) => void): () => void {
    return this.#index.watch(prefix, onChange);
  }

  async info(): Promise<StoreInfo> {
    return { kind: "memory", revision: this.#index.revision, quarantined: [], failure: undefined };
  }
}
