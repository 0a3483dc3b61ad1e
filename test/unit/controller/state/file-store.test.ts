import assert from "node:assert/strict";
import {
  appendFile,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type FileStore, openFileStore } from "../../../../controller/state/file-store.ts";
import { storeCases } from "../../../case/store.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const folders: string[] = [];
const opened: FileStore[] = [];
after(async () => {
  for (const store of opened) await store.close();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "thornback-store-"));
  folders.push(dir);
  return dir;
}

async function open(dir: string, mostLogBytes?: number, log = new RecordingLog()): Promise<FileStore> {
  const store = await openFileStore({ log, dir, ...(mostLogBytes === undefined ? {} : { mostLogBytes }) });
  opened.push(store);
  return store;
}

storeCases("the file store", async () => open(await folder()));

describe("the file store", () => {
  it("has everything again after it was opened again, revisions included", async () => {
    const dir = await folder();
    const store = await open(dir);
    await store.put("a", "1");
    await store.put("b", "2");
    await store.delete("a");
    await store.close();
    const again = await open(dir);
    assert.deepEqual(await again.list(""), [{ key: "b", value: "2", revision: 2 }]);
    assert.equal(await again.put("c", "3"), 4);
  });

  it("cuts a torn write off at every length, keeps what was acknowledged, and goes on", async () => {
    const dir = await folder();
    const store = await open(dir);
    await store.put("a", "1");
    const whole = (await stat(join(dir, "log"))).size;
    await store.put("b", "2");
    const longer = (await stat(join(dir, "log"))).size;
    await store.close();
    const bytes = await readFile(join(dir, "log"));
    for (let length = whole; length < longer; length += 7) {
      await writeFile(join(dir, "log"), bytes.subarray(0, length));
      const log = new RecordingLog();
      const again = await open(dir, undefined, log);
      assert.deepEqual(
        (await again.list("")).map(({ key }) => key),
        ["a"],
      );
      assert.equal(
        log.lines.some(({ level }) => level === "error"),
        false,
      );
      await again.put("b", "2");
      await again.close();
      await truncate(join(dir, "log"), whole);
    }
  });

  it("puts a damaged record aside, says so, and keeps the others", async () => {
    const dir = await folder();
    const store = await open(dir);
    for (const key of ["a", "b", "c"]) await store.put(key, "value");
    await store.close();
    const text = await readFile(join(dir, "log"), "utf8");
    await writeFile(join(dir, "log"), text.replace('"b","v":"value"', '"b","v":"VALUE"'));
    const log = new RecordingLog();
    const again = await open(dir, undefined, log);
    assert.deepEqual(
      (await again.list("")).map(({ key }) => key),
      ["a", "c"],
    );
    assert.match((await again.info()).quarantined[0] ?? "", /^StoreCorrupt: a record of .*log at byte \d+ is damaged/);
    assert.match(await readFile(join(dir, "quarantine"), "utf8"), /VALUE/);
    assert.ok(log.lines.some(({ level, fields }) => level === "error" && fields.reason === "StoreCorrupt"));
  });

  it("puts a damaged record aside once, however often it is opened before the log is folded", async () => {
    const dir = await folder();
    const store = await open(dir);
    for (const key of ["a", "b"]) await store.put(key, "value");
    await store.close();
    const text = await readFile(join(dir, "log"), "utf8");
    await writeFile(join(dir, "log"), text.replace('"a","v":"value"', '"a","v":"VALUE"'));
    for (let i = 0; i < 3; i++) await (await open(dir)).close();
    assert.equal((await readFile(join(dir, "quarantine"), "utf8")).split("\n").length, 2);
  });

  it("refuses a write that a full disk took in part, and goes on once there is room", async (context) => {
    const dir = await folder();
    const store = await open(dir);
    await store.put("a", "1");
    const some = await openFile(join(dir, "log"), "r");
    const prototype = Object.getPrototypeOf(some) as typeof some;
    await some.close();
    const { write } = prototype;
    const full = context.mock.method(prototype, "write", async function (this: typeof some, text: string) {
      await write.call(this, text.slice(0, 20));
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    });
    await assert.rejects(store.put("b", "2"), /cannot be written \(ENOSPC.*free space/);
    assert.match((await store.info()).failure ?? "", /ENOSPC/);
    assert.equal(await store.get("b"), undefined);
    full.mock.restore();
    assert.equal(await store.put("c", "3"), 2);
    assert.equal((await store.info()).failure, undefined);
    await store.close();
    const log = new RecordingLog();
    const again = await open(dir, undefined, log);
    assert.deepEqual(
      (await again.list("")).map(({ key }) => key),
      ["a", "c"],
    );
    assert.deepEqual((await again.info()).quarantined, []);
  });

  it("folds a long log into a snapshot, after which the same is there", async () => {
    const dir = await folder();
    const store = await open(dir, 2_000);
    for (let i = 0; i < 100; i++) await store.put(`key/${i % 10}`, `value ${i}`);
    await store.delete("key/9");
    assert.ok((await stat(join(dir, "log"))).size <= 2_100);
    const before = await store.list("");
    const { revision } = await store.info();
    await store.close();
    const again = await open(dir);
    assert.deepEqual(await again.list(""), before);
    assert.equal((await again.info()).revision, revision);
  });

  it("does not lose the revision of a deletion that was folded", async () => {
    const dir = await folder();
    const store = await open(dir, 1);
    await store.put("a", "1");
    await store.delete("a");
    await store.close();
    assert.equal(await (await open(dir)).put("b", "1"), 3);
  });

  it("passes over log records that the snapshot holds already, as after a crash between the two", async () => {
    const dir = await folder();
    const store = await open(dir);
    await store.put("a", "old");
    const log = await readFile(join(dir, "log"));
    await store.put("a", "new");
    await store.close();
    const folding = await open(dir, 1);
    await folding.put("b", "1");
    await folding.close();
    await appendFile(join(dir, "log"), log);
    assert.equal((await (await open(dir)).get("a"))?.value, "new");
  });

  it("belongs to one process at a time, and to the next once that is gone", async () => {
    const dir = await folder();
    const store = await open(dir);
    await assert.rejects(openFileStore({ log: new RecordingLog(), dir }), /belongs to process \d+, which runs/);
    await store.close();
    await writeFile(join(dir, "lock"), "999999999 5\n");
    await (await open(dir)).close();
    assert.equal((await readdir(dir)).includes("lock"), false);
  });

  it("is readable by its owner only", async () => {
    const dir = await folder();
    const store = await open(dir, 1);
    await store.put("a", "secret");
    for (const name of await readdir(dir)) assert.equal((await stat(join(dir, name))).mode & 0o077, 0, name);
  });

  it("refuses a write after it was closed", async () => {
    const dir = await folder();
    const store = await open(dir);
    await store.close();
    await assert.rejects(store.put("a", "1"), /closed/);
  });
});
