import assert from "node:assert/strict";
import { test } from "node:test";
import {
  emptyLatencies,
  LATENCY_BUCKET_COUNT,
  latencyBucket,
  latencyQuantile,
} from "../../../core/latency-histogram.ts";

function counted(times: readonly number[]): number[] {
  const counts = emptyLatencies();
  for (const ms of times) counts[latencyBucket(ms)] = (counts[latencyBucket(ms)] ?? 0) + 1;
  return counts;
}

test("every time has a bucket, a longer one never an earlier one", () => {
  let before = 0;
  for (let ms = 0.01; ms < 1_000_000; ms *= 1.05) {
    const bucket = latencyBucket(ms);
    assert.ok(bucket >= before && bucket < LATENCY_BUCKET_COUNT, String(ms));
    before = bucket;
  }
  assert.equal(before, LATENCY_BUCKET_COUNT - 1);
  for (const odd of [0, -1, NaN]) assert.equal(latencyBucket(odd), 0);
  assert.equal(latencyBucket(Infinity), LATENCY_BUCKET_COUNT - 1);
});

test("120 s is the last time that is told from longer ones", () => {
  assert.equal(latencyBucket(119_999), LATENCY_BUCKET_COUNT - 2);
  assert.equal(latencyBucket(120_500), LATENCY_BUCKET_COUNT - 1);
});

test("quantiles are right to within a bucket", () => {
  const times = Array.from({ length: 1_000 }, (_, at) => 1 + at / 2);
  for (const share of [0.01, 0.5, 0.9, 0.99]) {
    const exact = times[Math.ceil(share * times.length) - 1] ?? 0;
    const found = latencyQuantile(counted(times), share) ?? 0;
    assert.ok(found > exact / 1.4 && found < exact * 1.4, `${share}: ${found} for ${exact}`);
  }
});

test("ten times as long is told apart, whatever the time", () => {
  for (const ms of [1, 10, 100, 1_000]) {
    const fast = latencyQuantile(counted(Array.from({ length: 20 }, () => ms)), 0.99) ?? 0;
    const slow = latencyQuantile(counted(Array.from({ length: 20 }, () => 10 * ms)), 0.99) ?? 0;
    assert.ok(slow / fast > 7 && slow / fast < 14, String(slow / fast));
  }
});

test("nothing answered has no quantile", () => {
  assert.equal(latencyQuantile(emptyLatencies(), 0.5), undefined);
  assert.equal(latencyQuantile([], 0.5), undefined);
});
