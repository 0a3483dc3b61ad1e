import assert from "node:assert/strict";
import { test } from "node:test";
import { bisect, bisectRuns } from "../../../../batching/decide/bisect.ts";

test("a failed group is halved, every item in one of the halves", () => {
  const decision = bisect({ from: 4, count: 5 }, 10);
  assert.deepEqual(decision, {
    kind: "split",
    halves: [
      { from: 4, count: 3 },
      { from: 7, count: 2 },
    ],
  });
});

test("an item that fails alone is to blame", () => {
  assert.deepEqual(bisect({ from: 3, count: 1 }, 10), { kind: "fail", reason: "alone" });
});

test("when two halves may not be run any more the group fails", () => {
  assert.deepEqual(bisect({ from: 0, count: 8 }, 1), { kind: "fail", reason: "outOfRuns" });
});

/** Items that end up alone when a group fails as long as one of `poison` is in it. */
function blamed(size: number, poison: readonly number[]): number[] {
  let runsLeft = bisectRuns(size);
  const failed = [{ from: 0, count: size }];
  const alone: number[] = [];
  for (let group = failed.pop(); group !== undefined; group = failed.pop()) {
    const decision = bisect(group, runsLeft);
    if (decision.kind === "fail") {
      assert.equal(decision.reason, "alone", `${size}: ${poison.join(", ")}`);
      alone.push(group.from);
      continue;
    }
    runsLeft -= 2;
    failed.push(...decision.halves.filter(({ from, count }) => poison.some((at) => at >= from && at < from + count)));
  }
  return alone.toSorted((one, other) => one - other);
}

test("the runs allowed find any two items among the others", () => {
  for (const size of [2, 3, 8, 31, 32, 64]) {
    const pairs = Array.from({ length: size }, (_, first) =>
      Array.from({ length: size - first - 1 }, (__, at) => [first, first + 1 + at]),
    ).flat();
    for (const poison of pairs) assert.deepEqual(blamed(size, poison), poison);
  }
});
