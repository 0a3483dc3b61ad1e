import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../../../core/metric-registry.ts";
import { metricText } from "../../../core/metric-text.ts";

test("asking twice for a series gives the same one, whatever the order of its labels", () => {
  const metrics = createMetrics();
  metrics.counter("thornback_http_requests_total", { application: "a", status: "200" }).add(1);
  metrics.counter("thornback_http_requests_total", { status: "200", application: "a" }).add(2);
  assert.deepEqual(
    metrics.samples().map((sample) => sample.values),
    [[3]],
  );
});

test("a value on a bound is counted in that bucket, and one beyond all bounds in the open one", () => {
  const metrics = createMetrics();
  const items = metrics.histogram("thornback_batch_items", { deployment: "a/b", method: "run" });
  for (const value of [1, 2, 513]) items.observe(value);
  assert.deepEqual(metrics.samples()[0]?.values, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 516]);
});

test("text has help, type, cumulative buckets, sum and count", () => {
  const metrics = createMetrics();
  const items = metrics.histogram("thornback_batch_items", { deployment: "a/b", method: "run" });
  for (const value of [1, 2, 513]) items.observe(value);
  const lines = metricText(metrics.samples()).split("\n");
  assert.equal(lines[1], "# TYPE thornback_batch_items histogram");
  assert.equal(lines[2], 'thornback_batch_items_bucket{deployment="a/b",method="run",le="1"} 1');
  assert.equal(lines[3], 'thornback_batch_items_bucket{deployment="a/b",method="run",le="2"} 2');
  assert.ok(lines.includes('thornback_batch_items_bucket{deployment="a/b",method="run",le="+Inf"} 3'));
  assert.ok(lines.includes('thornback_batch_items_sum{deployment="a/b",method="run"} 516'));
  assert.ok(lines.includes('thornback_batch_items_count{deployment="a/b",method="run"} 3'));
});

test("equal series of two processes become one: counts add up, and the lowest table version is shown", () => {
  const [one, other] = [createMetrics(), createMetrics()];
  for (const [metrics, version] of [
    [one, 7],
    [other, 5],
  ] as const) {
    metrics.counter("thornback_replica_requests_total", { deployment: "a/b", outcome: "ok" }).add(2);
    metrics.gauge("thornback_routing_table_version", { component: "proxy" }).set(version);
  }
  const text = metricText([...one.samples(), ...other.samples()]);
  assert.match(text, /thornback_replica_requests_total\{deployment="a\/b",outcome="ok"\} 4\n/);
  assert.match(text, /thornback_routing_table_version\{component="proxy"\} 5\n/);
});

test("a label's quotes, backslashes and line breaks are escaped", () => {
  const metrics = createMetrics();
  metrics.counter("thornback_replica_restarts_total", { deployment: 'a"\\\n', reason: "x" }).add(1);
  assert.match(metricText(metrics.samples()), /deployment="a\\"\\\\\\n"/);
});

test("samples survive the way through JSON", () => {
  const metrics = createMetrics();
  metrics.histogram("thornback_batch_items", { deployment: "a/b", method: "run" }).observe(3);
  assert.equal(metricText(JSON.parse(JSON.stringify(metrics.samples()))), metricText(metrics.samples()));
});
