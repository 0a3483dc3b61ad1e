import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VersionConflictError } from "../../core/error.ts";
import type { Store, StoreChange } from "../../controller/state/store.ts";

/** What every store must do, real and fake alike. `open` gives a new, empty one. */
export function storeCases(name: string, open: () => Promise<Store>): void {
  describe(`${name}, as any store`, () => {
    it("gives back what was put, under a revision that grows with every write", async () => {
      const store = await open();
      const first = await store.put("a", "1");
      const second = await store.put("b", "zwei\n„2“");
      assert.ok(first > 0 && second > first);
      assert.deepEqual(await store.get("b"), { key: "b", value: "zwei\n„2“", revision: second });
      assert.equal(await store.get("none"), undefined);
      assert.equal((await store.info()).revision, second);
    });

    it("lets only one of many writers that saw the same revision win", async () => {
      const store = await open();
      const revision = await store.put("a", "0");
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => store.put("a", String(i), revision)),
      );
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
      for (const result of results) {
        if (result.status === "rejected") assert.ok(result.reason instanceof VersionConflictError);
      }
    });

    it("makes a key only once for writers that expect none", async () => {
      const store = await open();
      const results = await Promise.allSettled([store.put("a", "1", 0), store.put("a", "2", 0)]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["fulfilled", "rejected"],
      );
      assert.equal((await store.get("a"))?.value, "1");
    });

    it("deletes only what the writer saw, and what is not there without complaint", async () => {
      const store = await open();
      const revision = await store.put("a", "1");
      await assert.rejects(store.delete("a", revision + 1), VersionConflictError);
      await store.delete("a", revision);
      await store.delete("a");
      assert.equal(await store.get("a"), undefined);
    });

    it("never gives a revision out twice, deletions included", async () => {
      const store = await open();
      const first = await store.put("a", "1");
      await store.delete("a");
      assert.ok((await store.put("a", "2", 0)) > first + 1);
    });

    it("lists what is below a prefix, in order", async () => {
      const store = await open();
      for (const key of ["node/b", "application/x", "node/a"]) await store.put(key, key);
      assert.deepEqual(
        (await store.list("node/")).map(({ key }) => key),
        ["node/a", "node/b"],
      );
      assert.equal((await store.list("")).length, 3);
    });

    it("tells a watcher every later change below its prefix, in order, until it stops", async () => {
      const store = await open();
      await store.put("a/1", "before");
      const changes: StoreChange[] = [];
      const stop = store.watch("a/", (change) => changes.push(change));
      await store.put("a/1", "after");
      await store.put("b/1", "elsewhere");
      await store.delete("a/1");
      stop();
      await store.put("a/1", "late");
      assert.deepEqual(
        changes.map(({ key, value }) => [key, value]),
        [
          ["a/1", "after"],
          ["a/1", undefined],
        ],
      );
    });
  });
}
