import assert from "node:assert/strict";
import { test } from "node:test";
import { RunTimeModel } from "../../../batching/run-time-model.ts";

function learned(runs: readonly (readonly [size: number, runMs: number])[]): RunTimeModel {
  const times = new RunTimeModel();
  for (const [size, runMs] of runs) times.observe(size, runMs);
  return times;
}

test("nothing is expected before anything has run", () => {
  assert.equal(new RunTimeModel().expect(1), undefined);
  assert.equal(new RunTimeModel().expectForDeadline(1), undefined);
});

test("between sizes that ran a line is drawn, and fewer items take no longer than the fewest", () => {
  const times = learned([
    [4, 10],
    [16, 22],
  ]);
  assert.deepEqual(
    [1, 4, 10, 16].map((size) => times.expect(size)),
    [10, 10, 16, 22],
  );
});

test("beyond the largest that ran none is expected to take longer, so that it is tried, and the line is drawn on for what must not be missed", () => {
  const times = learned([
    [4, 10],
    [16, 22],
  ]);
  assert.equal(times.expect(32), 22);
  assert.equal(times.expectForDeadline(32), 38);
});

test("a large size that has not run for long is forgotten, and so tried again; a small one is not", () => {
  const times = learned([
    [4, 10],
    [32, 90],
  ]);
  for (let run = 0; run < 300; run++) times.observe(16, 22);
  assert.equal(times.expect(32), 22);
  assert.equal(times.expect(4), 10);
});

test("with one size a larger one is expected to cost no more, so that it is tried", () => {
  assert.equal(learned([[1, 5]]).expect(64), 5);
});

test("how far runs of about a size usually are from what is expected is learned too", () => {
  const times = new RunTimeModel();
  assert.equal(times.expectDeviation(4), undefined);
  for (let run = 0; run < 100; run++) times.observe(4, run % 2 === 0 ? 9 : 11);
  assert.ok(Math.abs((times.expectDeviation(4) ?? 0) - 1) < 0.2);
});

test("more items are never expected to take less time", () => {
  const times = learned([
    [4, 10],
    [16, 8],
  ]);
  assert.ok((times.expect(64) ?? 0) >= 8);
});

test("a change of the model's speed is learned, and one slow run is not believed at once", () => {
  const times = learned(Array.from({ length: 30 }, () => [8, 10] as const));
  times.observe(8, 100);
  assert.ok((times.expect(8) ?? 0) < 30);
  for (let run = 0; run < 30; run++) times.observe(8, 20);
  assert.ok(Math.abs((times.expect(8) ?? 0) - 20) < 1);
});

test("where runs are alike a deadline is held against what few of them exceed", () => {
  const times = learned(Array.from({ length: 40 }, (_, at) => [8, at % 2 === 0 ? 9.7 : 10.3] as const));
  assert.ok((times.expectForDeadline(8) ?? 0) > 10.3);
});

test("where runs differ much who might be in time is not given up", () => {
  const times = learned(Array.from({ length: 40 }, (_, at) => [1, at % 2 === 0 ? 100 : 1_000] as const));
  assert.ok((times.expectForDeadline(1) ?? 0) < 100);
});
