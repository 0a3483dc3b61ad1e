import type { Digest } from "../../core/ids.ts";

/** Files of bundles, by the SHA-256 of their bytes. */
export interface BlobStore {
  has(digest: Digest): Promise<boolean>;
  /** Rejects with NotFoundError. */
  read(digest: Digest): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Keeps a file; one that is there already is left alone. Rejects, and leaves nothing behind, when the bytes are too
   * many (PayloadTooLargeError), not those of the digest (InvalidRequestError), or stop coming.
   */
  write(digest: Digest, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  list(): Promise<readonly Digest[]>;
  delete(digest: Digest): Promise<void>;
}
