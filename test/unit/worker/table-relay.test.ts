import assert from "node:assert/strict";
import { test } from "node:test";
import { TABLE_ACK_TIMEOUT_MS } from "../../../core/limits.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import type { TableUpdate } from "../../../core/table.ts";
import type { ParentMessage } from "../../../proto/control/message.ts";
import type { Child } from "../../../worker/children.ts";
import { TableRelay } from "../../../worker/table-relay.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { MemoryNodeFiles } from "../../fake/memory-node-files.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

function snapshot(version: number, epoch = 1): TableUpdate {
  return { epoch, version, kind: "snapshot", baseVersion: 0, upserts: [], removals: [] };
}

function delta(version: number): TableUpdate {
  return { ...snapshot(version), kind: "delta", baseVersion: version - 1 };
}

function bed(files = new MemoryNodeFiles()) {
  const clock = new ManualClock();
  const relay = new TableRelay({ clock, log: new RecordingLog(), metrics: createMetrics(), files, onApplied() {} });
  return { clock, relay, files };
}

function router(): { readonly child: Child; readonly heard: ParentMessage[] } {
  const heard: ParentMessage[] = [];
  const child = {
    link: { send: (message: ParentMessage) => void heard.push(message), close() {} },
  } as unknown as Child;
  return { child, heard };
}

test("a router that comes gets the whole table, then only what changes", () => {
  const { relay } = bed();
  relay.apply(snapshot(3));
  relay.apply(delta(4));
  const { child, heard } = router();
  relay.add(child, true);
  relay.apply(delta(5));
  assert.deepEqual(heard, [
    { kind: "table", update: snapshot(4) },
    { kind: "table", update: delta(5) },
  ]);
});

test("a new router cannot use an older table than the one it is sent, a known one may until it answers", () => {
  const { relay } = bed();
  relay.apply(snapshot(3));
  relay.add(router().child, true);
  assert.equal(relay.appliedByAll().version, 3);
  const known = router();
  relay.add(known.child, false);
  assert.equal(relay.appliedByAll().version, 0);
  relay.applied(known.child, { epoch: 1, version: 3 });
  assert.equal(relay.appliedByAll().version, 3);
});

test("a router that does not answer is not waited for, one that is slow but answers is", () => {
  const { relay, clock } = bed();
  relay.apply(snapshot(1));
  const [silent, slow] = [router(), router()];
  relay.add(silent.child, true);
  relay.add(slow.child, true);
  relay.apply(delta(2));
  relay.apply(delta(3));
  clock.advance(TABLE_ACK_TIMEOUT_MS - 1);
  relay.applied(slow.child, { epoch: 1, version: 2 });
  assert.equal(relay.appliedByAll().version, 1);
  clock.advance(1);
  assert.equal(relay.appliedByAll().version, 2);
  relay.applied(slow.child, { epoch: 1, version: 3 });
  assert.equal(relay.appliedByAll().version, 3);
});

test("a change that is missing is noticed, and what is old is not passed on", () => {
  const { relay } = bed();
  const { child, heard } = router();
  relay.add(child, true);
  assert.equal(relay.apply(delta(4)), false);
  assert.equal(relay.apply(snapshot(4)), true);
  assert.equal(relay.apply(snapshot(4)), true);
  assert.equal(relay.apply(snapshot(9, 0)), true);
  assert.equal(heard.length, 1);
});

test("the table is on disk a moment after it changed, once for a burst, and read again", () => {
  const { relay, clock, files } = bed();
  relay.apply(snapshot(1));
  relay.apply(delta(2));
  const stored = (): number | undefined => files.table?.version;
  assert.equal(stored(), undefined);
  clock.advance(100);
  assert.equal(stored(), 2);
  const next = bed(files);
  next.relay.load();
  assert.deepEqual(next.relay.known, { epoch: 1, version: 2 });
});
