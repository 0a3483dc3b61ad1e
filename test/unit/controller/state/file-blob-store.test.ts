import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { FileBlobStore } from "../../../../controller/state/file-blob-store.ts";
import { InvalidRequestError, NotFoundError, PayloadTooLargeError } from "../../../../core/error.ts";
import type { Digest } from "../../../../core/ids.ts";

const folders: string[] = [];
after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function store(): Promise<{ dir: string; blobs: FileBlobStore }> {
  const dir = await mkdtemp(join(tmpdir(), "thornback-blobs-"));
  folders.push(dir);
  const blobs = new FileBlobStore({ dir, mostBytes: 10 });
  await blobs.prepare();
  return { dir, blobs };
}
async function* bytes(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
const digestOf = (text: string): Digest => createHash("sha256").update(text).digest("hex") as Digest;

describe("the file blob store", () => {
  it("keeps what has the digest, once or twice, and gives it back", async () => {
    const { blobs } = await store();
    const digest = digestOf("hello");
    await blobs.write(digest, bytes("hel", "lo"));
    await blobs.write(digest, bytes("hello"));
    const chunks: Uint8Array[] = [];
    for await (const chunk of await blobs.read(digest)) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), "hello");
    assert.deepEqual(await blobs.list(), [digest]);
    await blobs.delete(digest);
    assert.equal(await blobs.has(digest), false);
    await assert.rejects(blobs.read(digest), NotFoundError);
  });

  it("leaves nothing behind of what is wrong, too long, or breaks off", async () => {
    const { dir, blobs } = await store();
    const digest = digestOf("hello");
    await assert.rejects(blobs.write(digest, bytes("other")), InvalidRequestError);
    await assert.rejects(blobs.write(digest, bytes("123456", "78901")), PayloadTooLargeError);
    async function* broken(): AsyncIterable<Uint8Array> {
      yield Buffer.from("hel");
      throw new Error("the connection broke");
    }
    await assert.rejects(blobs.write(digest, broken()), /broke/);
    assert.deepEqual(await readdir(dir), []);
  });

  it("lets nothing but a digest become a path", async () => {
    const { blobs } = await store();
    await assert.rejects(blobs.write("../../x" as Digest, bytes("x")), InvalidRequestError);
    await assert.rejects(blobs.has("../../x" as Digest), InvalidRequestError);
  });

  it("removes what a crash left half-written", async () => {
    const { dir, blobs } = await store();
    await writeFile(join(dir, ".partial-1-1"), "half");
    await blobs.prepare();
    assert.deepEqual(await readdir(dir), []);
  });
});
