import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../core/random.ts";
import { LatencyHistogram } from "../../../load/latency-histogram.ts";

test("quantiles are within one percent of the exact ones, from microseconds to hours", () => {
  const random = seededRandom(7);
  const histogram = new LatencyHistogram();
  const values = Array.from({ length: 20_000 }, () => 10 ** (random.next() * 10 - 3));
  for (const value of values) histogram.record(value);
  values.sort((a, b) => a - b);
  for (const share of [0.01, 0.1, 0.5, 0.9, 0.99, 0.999]) {
    const exact = values[Math.ceil(share * values.length) - 1] ?? Number.NaN;
    const error = Math.abs(histogram.quantile(share) - exact) / exact;
    assert.ok(error < 0.01, `quantile ${share} is off by ${error}`);
  }
  assert.equal(histogram.summary().maxMs, values.at(-1));
});

test("two histograms merged are the histogram of both", () => {
  const [one, other, both] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
  for (let i = 1; i <= 100; i++) {
    (i % 2 === 0 ? one : other).record(i);
    both.record(i);
  }
  one.merge(other);
  assert.deepEqual(one.summary(), both.summary());
});

test("a quantile of nothing is not a number, and one value is every quantile", () => {
  const histogram = new LatencyHistogram();
  assert.ok(Number.isNaN(histogram.quantile(0.5)));
  histogram.record(3);
  assert.equal(histogram.quantile(0), 3);
  assert.equal(histogram.quantile(0.999), 3);
  assert.equal(histogram.summary().meanMs, 3);
});
