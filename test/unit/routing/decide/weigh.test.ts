import assert from "node:assert/strict";
import { test } from "node:test";
import { weigh, type WeighInput } from "../../../../routing/decide/weigh.ts";

function replica(more: Partial<WeighInput> = {}): WeighInput {
  return { count: 20, meanMs: 10, maxOngoingRequests: 16, labelWeight: 1, ...more };
}

test("a replica twice as fast weighs twice as much, and one with twice the slots too", () => {
  const { source, weights } = weigh([
    replica({ meanMs: 20 }),
    replica(),
    replica({ meanMs: 20, maxOngoingRequests: 32 }),
  ]);
  assert.equal(source, "measured");
  assert.deepEqual(
    weights.map((weight) => weight / (weights[0] ?? 1)),
    [1, 2, 2],
  );
});

test("labels count until every replica was measured", () => {
  const { source, weights } = weigh([replica({ labelWeight: 3 }), replica({ count: 19, labelWeight: 1 })]);
  assert.equal(source, "label");
  assert.deepEqual(weights, [1.5, 0.5]);
});

test("no replica is starved for ever by what was once measured of it", () => {
  const { weights } = weigh([replica({ meanMs: 1 }), replica({ meanMs: 1_000_000 })]);
  assert.equal(weights[1], 0.01);
});
