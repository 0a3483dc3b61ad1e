import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentSum } from "../../../routing/recent-sum.ts";

test("what was added counts for nine tenths of the span at least, and not after it", () => {
  const sum = new RecentSum(10_000);
  sum.add(3, 5_500);
  sum.add(4, 9_000);
  assert.equal(sum.total(14_500), 7);
  assert.equal(sum.total(15_500), 4);
  assert.equal(sum.total(19_100), 0);
});

test("after a long silence nothing is left", () => {
  const sum = new RecentSum(10_000);
  for (let second = 0; second < 30; second++) sum.add(1, second * 1_000);
  assert.equal(sum.total(29_000), 10);
  assert.equal(sum.total(1_000_000), 0);
  sum.add(2, 1_000_000);
  assert.equal(sum.total(1_000_001), 2);
});
