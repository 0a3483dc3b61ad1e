import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { InvalidRequestError, NotFoundError, PayloadTooLargeError } from "../../core/error.ts";
import type { Digest } from "../../core/ids.ts";
import { MOST_BLOB_BYTES } from "../../core/limits.ts";
import type { BlobStore } from "./blob-store.ts";
import { syncFolder } from "./sync-folder.ts";

/** Begins the names of files that are being written; whatever is left of them after a crash is removed at start. */
const PARTIAL = ".partial-";
const DIGEST = /^[0-9a-f]{64}$/;

/** Blobs as files of a folder, each named by its digest. */
export class FileBlobStore implements BlobStore {
  readonly #dir: string;
  readonly #mostBytes: number;
  #lastPartial = 0;

  constructor(deps: { readonly dir: string; readonly mostBytes?: number }) {
    this.#dir = deps.dir;
    this.#mostBytes = deps.mostBytes ?? MOST_BLOB_BYTES;
  }

  /** Makes the folder, and removes what a crash left half-written. */
  async prepare(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#dir)) {
      if (name.startsWith(PARTIAL)) await rm(join(this.#dir, name), { force: true });
    }
  }

  async has(digest: Digest): Promise<boolean> {
    return access(this.#path(digest)).then(
      () => true,
      () => false,
    );
  }

  async read(digest: Digest): Promise<AsyncIterable<Uint8Array>> {
    if (!(await this.has(digest))) {
      throw new NotFoundError("deployment_not_found", `blob ${digest} is not kept here; deploy again`);
    }
    return createReadStream(this.#path(digest), { highWaterMark: 256 * 1024 });
  }

  async write(digest: Digest, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#path(digest);
    const partial = join(this.#dir, `${PARTIAL}${process.pid}-${++this.#lastPartial}`);
    try {
      const written = await this.#writePartial(partial, bytes);
      if (written !== digest) {
        throw new InvalidRequestError(`the bytes sent as blob ${digest} have the digest ${written}; upload them again`);
      }
      await rename(partial, path);
      // A release that needs it may be stored next, and must not outlive it.
      await syncFolder(this.#dir);
    } finally {
      await rm(partial, { force: true });
    }
  }

  async list(): Promise<readonly Digest[]> {
    return (await readdir(this.#dir)).filter((name) => DIGEST.test(name)) as Digest[];
  }

  async delete(digest: Digest): Promise<void> {
    await rm(this.#path(digest), { force: true });
  }

  async #writePartial(partial: string, bytes: AsyncIterable<Uint8Array>): Promise<string> {
    const hash = createHash("sha256");
    const file = await open(partial, "wx", 0o600);
    try {
      let length = 0;
      for await (const chunk of bytes) {
        length += chunk.length;
        if (length > this.#mostBytes) {
          throw new PayloadTooLargeError(
            `a file of a bundle has at most ${this.#mostBytes} bytes; let the deployment fetch larger models itself`,
          );
        }
        hash.update(chunk);
        await file.writeFile(chunk);
      }
      await file.datasync();
    } finally {
      await file.close();
    }
    return hash.digest("hex");
  }

  /** Throws rather than let anything but a digest become part of a path. */
  #path(digest: Digest): string {
    if (!DIGEST.test(digest)) throw new InvalidRequestError("a blob is named by 64 lower-case hexadecimal characters");
    return join(this.#dir, digest);
  }
}
