import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRing, firstPoint, ownerAt } from "../../../../routing/decide/ring.ts";

const KEYS = Array.from({ length: 5_000 }, (_, at) => `session-${at}`);

function owners(ids: readonly string[]): string[] {
  const ring = buildRing(ids);
  return KEYS.map((key) => ids[ownerAt(ring, firstPoint(ring, key))] ?? "");
}

function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `replica-${at}`);
}

test("equal replicas own nearly equal shares of the keys", () => {
  const counts = new Map<string, number>();
  for (const id of owners(idsOf(10))) counts.set(id, (counts.get(id) ?? 0) + 1);
  assert.equal(counts.size, 10);
  for (const count of counts.values()) assert.ok(count > 300 && count < 750, String(count));
});

test("who owns a key follows from the ids, not from their order", () => {
  assert.deepEqual(owners(idsOf(10)), owners(idsOf(10).reverse()));
});

for (const count of [2, 5, 20]) {
  test(`a replica that joins ${count} takes about one key in ${count + 1}, and no other key moves`, () => {
    const [before, after] = [owners(idsOf(count)), owners(idsOf(count + 1))];
    const moved = KEYS.filter((_, at) => before[at] !== after[at]);
    assert.ok(moved.length <= (2 / (count + 1)) * KEYS.length, String(moved.length));
    assert.ok(moved.length > 0);
    for (const at of KEYS.keys()) {
      if (before[at] !== after[at]) assert.equal(after[at], `replica-${count}`);
    }
  });
}

test("the walk from a key passes all replicas", () => {
  const ring = buildRing(idsOf(5));
  const start = firstPoint(ring, "session");
  const seen = new Set(Array.from({ length: ring.points.length }, (_, step) => ownerAt(ring, start + step)));
  assert.equal(seen.size, 5);
});
