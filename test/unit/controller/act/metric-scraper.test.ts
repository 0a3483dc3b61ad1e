import assert from "node:assert/strict";
import { it } from "node:test";
import { MetricScraper, sumOf } from "../../../../controller/act/metric-scraper.ts";
import type { ClusterEvent } from "../../../../controller/state/cluster-state.ts";
import { applicationRecord, applicationSpec, clusterState, idOf } from "../../../fake/cluster-fixture.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";
import { autoscalingSpec } from "../../../fake/scaling-fixture.ts";

const metric = { name: "lag", targetPerReplica: 10, url: "http://metrics.test/" };
const spec = applicationSpec("app", { D: { options: { autoscaling: autoscalingSpec({ metric }) } }, Fixed: {} });

it("all series of the name add up, and of no longer name", () => {
  const text = ["# HELP lag of it", 'lag{queue="a}b"} 4', "lag 3 1700000000", "lag_total 99", "lag NaN"].join("\n");
  assert.equal(sumOf(text, "lag"), 7);
  assert.equal(sumOf(text, "depth"), undefined);
});

it("the value of a series is not that of its exemplar", () => {
  const text = ['lag{queue="a\\"}b"} 4 # {trace_id="x"} 1', 'lag 3 # {trace_id="y"} 0.5 1700000000.1'].join("\n");
  assert.equal(sumOf(text, "lag"), 7);
});

it("a few metrics are read at a time, the next as soon as one is, and their tokens are not logged", async () => {
  const log = new RecordingLog();
  const given = Array.from({ length: 12 }, (_, i) => {
    const autoscaling = autoscalingSpec({ metric: { ...metric, url: `http://metrics.test/${i}?token=secret` } });
    return [`D${i}`, { options: { autoscaling } }] as const;
  });
  const state = clusterState({
    applications: [applicationRecord([applicationSpec("app", Object.fromEntries(given))])],
  });
  const open: { url: string; reject: (error: Error) => void }[] = [];
  const scraper = new MetricScraper({
    ...{ clock: new ManualClock(), log, current: () => state, onEvent: () => {} },
    readText: (url) => new Promise((_, reject) => void open.push({ url, reject })),
  });
  scraper.read();
  scraper.read();
  assert.equal(open.length, 8);
  open[0]?.reject(new Error("refused"));
  await new Promise(setImmediate);
  assert.equal(open.length, 9);
  for (const one of [...open]) one.reject(new Error("refused"));
  await new Promise(setImmediate);
  assert.deepEqual(open.map(({ url }) => url).length, 12);
  assert.equal(new Set(open.map(({ url }) => url)).size, 12);
  assert.deepEqual(log.lines[0]?.fields["url"], "http://metrics.test/0");
});

it("a metric is read every few seconds, one question at a time, and what cannot be read is told once", async () => {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const events: ClusterEvent[] = [];
  const asked: { resolve: (text: string) => void; reject: (error: Error) => void }[] = [];
  const state = clusterState({ applications: [applicationRecord([spec])] });
  const scraper = new MetricScraper({
    ...{ clock, log, current: () => state, onEvent: (event) => void events.push(event) },
    readText: () => new Promise((resolve, reject) => void asked.push({ resolve, reject })),
  });
  const settled = (): Promise<void> => new Promise(setImmediate);
  scraper.read();
  clock.advance(60_000);
  scraper.read();
  assert.equal(asked.length, 1);
  asked[0]?.resolve("lag 12\n");
  await settled();
  assert.deepEqual(events, [{ kind: "metricTold", deployment: idOf("app", "D"), value: 12 }]);
  for (let at = 1; at <= 3; at++) {
    clock.advance(5_000);
    scraper.read();
    asked[at]?.reject(new Error("refused"));
    await settled();
  }
  assert.equal(asked.length, 4);
  assert.equal(log.lines.filter(({ message }) => message.includes("could not be read")).length, 1);
  assert.equal(events.length, 1);
});
