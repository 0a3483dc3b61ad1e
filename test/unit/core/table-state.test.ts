import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableEntry, TableUpdate } from "../../../core/table.ts";
import { applyUpdate, snapshotOf } from "../../../core/table-state.ts";

function route(prefix: string): TableEntry {
  return {
    kind: "route",
    prefix,
    application: "app",
    ingress: "app/A",
    ingressKind: "fetch",
    openapi: "",
  } as TableEntry;
}

function update(changes: Partial<TableUpdate>): TableUpdate {
  return { epoch: 1, version: 1, kind: "snapshot", baseVersion: 0, upserts: [], removals: [], ...changes };
}

const first = applyUpdate(undefined, update({ version: 3, upserts: [route("/a"), route("/b")] }));
assert.ok(first !== "gap");

test("a delta changes and removes entries and leaves the old table as it was", () => {
  const next = applyUpdate(
    first,
    update({ kind: "delta", baseVersion: 3, version: 4, upserts: [route("/c")], removals: ["route/a", "route//a"] }),
  );
  assert.ok(next !== "gap");
  assert.deepEqual([...next.entries.keys()], ["route//b", "route//c"]);
  assert.equal(first.entries.size, 2);
});

test("a delta whose base is newer than the table, or of another epoch, or the first of all, is a gap", () => {
  assert.equal(applyUpdate(first, update({ kind: "delta", baseVersion: 4, version: 5 })), "gap");
  assert.equal(applyUpdate(first, update({ epoch: 2, kind: "delta", baseVersion: 3, version: 4 })), "gap");
  assert.equal(applyUpdate(undefined, update({ kind: "delta", baseVersion: 0, version: 1 })), "gap");
});

test("a delta whose base is older than the table applies", () => {
  const next = applyUpdate(first, update({ kind: "delta", baseVersion: 1, version: 9, removals: ["route//a"] }));
  assert.ok(next !== "gap");
  assert.deepEqual([next.version, [...next.entries.keys()]], [9, ["route//b"]]);
});

test("what is old or repeated gives the same table, also a snapshot of an epoch that is over", () => {
  assert.equal(applyUpdate(first, update({ version: 3 })), first);
  assert.equal(applyUpdate(first, update({ kind: "delta", baseVersion: 1, version: 2 })), first);
  assert.equal(applyUpdate(first, update({ epoch: 0, version: 99 })), first);
});

test("a snapshot of a new epoch replaces everything, whatever its version", () => {
  const next = applyUpdate(first, update({ epoch: 2, version: 1, upserts: [route("/z")] }));
  assert.ok(next !== "gap");
  assert.deepEqual([next.epoch, next.version, [...next.entries.keys()]], [2, 1, ["route//z"]]);
});

test("a snapshot of a table makes an equal table", () => {
  assert.deepEqual(applyUpdate(undefined, snapshotOf(first)), first);
});
