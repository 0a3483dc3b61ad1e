import assert from "node:assert/strict";
import { test } from "node:test";
import { ARRIVAL_SPANS_MS, Arrivals } from "../../../batching/arrivals.ts";

/** How many come within `ms` of a batch's end, as learned. */
function within(arrivals: Arrivals, ms: number): number {
  return arrivals.returningBy(ARRIVAL_SPANS_MS.findIndex((endMs) => endMs >= ms));
}

/** Batches one after the other, `runMs` each, with arrivals so long after each end. */
function cycles(count: number, runMs: number, offsets: readonly number[]): Arrivals {
  const arrivals = new Arrivals();
  for (let cycle = 0; cycle <= count; cycle++) {
    arrivals.ended(cycle * runMs, offsets.length);
    if (cycle < count) for (const offset of offsets) arrivals.arrived(cycle * runMs + offset);
  }
  return arrivals;
}

test("callers that come back after each batch are expected when they came before", () => {
  const arrivals = cycles(20, 10, [0.3, 0.4, 0.9]);
  assert.deepEqual(
    [0.25, 0.5, 1, 8].map((ms) => Math.round(within(arrivals, ms))),
    [0, 2, 3, 0],
  );
});

test("of a batch twice as large twice as many are expected", () => {
  const arrivals = cycles(20, 10, [0.3, 0.4]);
  const span = ARRIVAL_SPANS_MS.indexOf(0.5);
  assert.deepEqual(
    [2, 4].map((size) => Math.round(arrivals.returningBy(span, size))),
    [2, 4],
  );
});

test("those that have come since the last batch are counted from its end", () => {
  const arrivals = cycles(3, 10, [1]);
  assert.equal(arrivals.sinceEnd, 0);
  arrivals.arrived(30.5);
  arrivals.arrived(31);
  assert.equal(arrivals.sinceEnd, 2);
});

test("callers that have left are forgotten within some batches", () => {
  const arrivals = cycles(20, 10, [0.3, 0.4]);
  for (let cycle = 21; cycle < 60; cycle++) arrivals.ended(cycle * 10, 2);
  assert.ok(within(arrivals, 1) < 0.5);
});

test("of a time that had not passed when the next batch ended nothing is learned", () => {
  const arrivals = cycles(10, 2, [0.1]);
  assert.ok(within(arrivals, 0.25) > 0.5);
  assert.equal(within(arrivals, 4), 0);
});
