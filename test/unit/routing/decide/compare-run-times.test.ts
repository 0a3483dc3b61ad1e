import assert from "node:assert/strict";
import { test } from "node:test";
import { compareRunTimes, isFarSlower, type RunTimeSummary } from "../../../../routing/decide/compare-run-times.ts";

/** A replica whose answers take so long while it has `ongoing` requests. */
function summary(medianMs: number, more: { readonly count?: number; readonly ongoing?: number } = {}): RunTimeSummary {
  return { count: more.count ?? 32, medianMs, medianShareMs: medianMs / (more.ongoing ?? 1) };
}

test("one that takes more than ten times as long as the others is slow", () => {
  assert.deepEqual(compareRunTimes([summary(20), summary(2_000, { ongoing: 16 }), summary(22)]).slow, [1]);
  assert.deepEqual(compareRunTimes([summary(20), summary(190), summary(22)]).slow, []);
});

test("two are compared with each other, and a single one with nobody", () => {
  assert.deepEqual(compareRunTimes([summary(20), summary(2_000)]).slow, [1]);
  assert.deepEqual(compareRunTimes([summary(2_000)]).slow, []);
});

test("nothing is said of a replica before it has given twenty answers", () => {
  assert.deepEqual(compareRunTimes([summary(20), summary(2_000, { count: 19 }), summary(20)]).slow, []);
});

test("one that is busy with many requests, one after the other, is not slow", () => {
  assert.deepEqual(compareRunTimes([summary(20), summary(320, { ongoing: 16 })]).slow, []);
});

test("a replica that is far away is not slow", () => {
  assert.deepEqual(compareRunTimes([summary(0.5), summary(0.6), summary(12)]).slow, []);
});

test("what is usual is the median, and unknown while nobody has answered enough", () => {
  assert.equal(compareRunTimes([summary(10), summary(30), summary(20)]).usualMs, 20);
  assert.equal(compareRunTimes([summary(10, { count: 3 })]).usualMs, undefined);
  assert.equal(isFarSlower(1_000, undefined), false);
  assert.equal(isFarSlower(1_000, 20), true);
});
