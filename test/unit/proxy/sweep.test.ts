import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Sweep, SWEEP_PARTS, type Swept } from "../../../proxy/sweep.ts";

const SWEEP_MS = 500;

/** Connections that note when they are looked at, and a clock that stands still. */
function bed(t: TestContext, count: number): { connections: Set<Swept>; seen: number[]; parts: (n: number) => void } {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const seen: number[] = [];
  const connections = new Set<Swept>();
  for (let id = 0; id < count; id++) connections.add({ check: () => seen.push(id) });
  const sweep = new Sweep(connections, SWEEP_MS);
  t.after(() => sweep.stop());
  return { connections, seen, parts: (n) => t.mock.timers.tick((SWEEP_MS / SWEEP_PARTS) * n) };
}

test("a sweep looks at every connection once in its time, and at a tenth of them at a time", (t) => {
  const { seen, parts } = bed(t, 500);
  parts(1);
  assert.equal(seen.length, 50);
  parts(SWEEP_PARTS - 1);
  assert.deepEqual(
    seen,
    Array.from({ length: 500 }, (_, id) => id),
  );
});

test("it begins again when its time is over, also where there are few", (t) => {
  const { seen, parts } = bed(t, 3);
  parts(2 * SWEEP_PARTS);
  assert.deepEqual(seen, [0, 1, 2, 0, 1, 2]);
});

test("however many come and go meanwhile, those that stay are looked at in its time", (t) => {
  const { connections, seen, parts } = bed(t, 100);
  let passing: Swept[] = [];
  for (let part = 0; part < 2 * SWEEP_PARTS; part++) {
    for (const one of passing) connections.delete(one);
    passing = Array.from({ length: 50 }, () => ({ check: () => undefined }));
    for (const one of passing) connections.add(one);
    parts(1);
  }
  for (let id = 0; id < 100; id++) assert.ok(seen.filter((one) => one === id).length >= 2, String(id));
});

test("connections that come and go in the midst of it do not make it miss one", (t) => {
  const { connections, seen, parts } = bed(t, 100);
  parts(2);
  for (const connection of [...connections].slice(0, 30)) connections.delete(connection);
  connections.add({ check: () => seen.push(100) });
  parts(SWEEP_PARTS);
  for (let id = 30; id <= 100; id++) assert.ok(seen.includes(id), String(id));
});

test("connections that it ends, and so are fewer with each part, are all looked at in its time", (t) => {
  const { connections, seen, parts } = bed(t, 0);
  for (let id = 0; id < 500; id++) {
    const connection: Swept = { check: () => void (seen.push(id), connections.delete(connection)) };
    connections.add(connection);
  }
  parts(SWEEP_PARTS);
  assert.equal(seen.length, 500);
});
