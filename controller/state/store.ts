/** One value under its key. */
export type StoreEntry = {
  readonly key: string;
  /** Text, usually JSON. */
  readonly value: string;
  /** Grows with every write to the store; names this very write. */
  readonly revision: number;
};

/** A write that others are told of; `value` is undefined when the key was deleted. */
export type StoreChange = { readonly key: string; readonly value: string | undefined; readonly revision: number };

/** What a store says of itself. */
export type StoreInfo = {
  readonly kind: string;
  /** Of the last write. */
  readonly revision: number;
  /** What could not be read and was put aside, in words. */
  readonly quarantined: readonly string[];
  /** Why the last write failed, and what to do; undefined when it did not. */
  readonly failure: string | undefined;
};

/**
 * Where desired state lives. A write has happened, and survives a crash, once its promise resolves. Writes are
 * compared-and-set: `expectRevision` is the revision the writer last saw, 0 when the key must not exist, undefined when
 * any will do.
 */
export interface Store {
  get(key: string): Promise<StoreEntry | undefined>;
  /** Resolves with the new revision. Rejects with VersionConflictError when the key has another revision. */
  put(key: string, value: string, expectRevision?: number): Promise<number>;
  /** Deleting what is not there is no error. Rejects with VersionConflictError when the key has another revision. */
  delete(key: string, expectRevision?: number): Promise<void>;
  /** Ordered by key. */
  list(prefix: string): Promise<readonly StoreEntry[]>;
  /** Calls back after every later write below `prefix`, in order. Returns how to stop. */
  watch(prefix: string, onChange: (change: StoreChange) => void): () => void;
  info(): Promise<StoreInfo>;
}
