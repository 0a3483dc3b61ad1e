import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { systemDefer } from "../../../core/clock.ts";
import { seededRandom } from "../../../core/random.ts";
import { startClosedLoad } from "../../../load/closed-loop.ts";
import type { Ending, LoadReport } from "../../../load/load-report.ts";
import { type LoadOptions, startLoad } from "../../../load/open-loop.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

let server: Server;
let url: string;
let served = 0;

before(async () => {
  server = createServer((request, response) => {
    served += 1;
    const { url: path = "" } = request;
    if (path === "/broken") response.writeHead(503, { "retry-after": "1" });
    if (path === "/reset") response.destroy();
    else if (path === "/cut") response.writeHead(200, { "content-length": 10 }).write("half", () => response.destroy());
    else if (path.startsWith("/events")) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: 1\n\ndata: 2\n\n");
      response.end(path === "/events/failed" ? "event: error\ndata: no\n\n" : "data: [DONE]\n\n");
    } else if (path !== "/silent") response.end("ok");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

async function loadUntil(path: string, count: number, more: Partial<LoadOptions> = {}): Promise<LoadReport> {
  served = 0;
  const load = startLoad({ ratePerSecond: 500, timeoutMs: 200, ...more, url: `${url}${path}` });
  while (served < count) await once(server, "request");
  return load.stop();
}

test("every request that was sent ends in exactly one outcome", async () => {
  const endings: Ending[] = [];
  const report = await loadUntil("/", 50, { onEnding: (ending) => endings.push(ending) });
  assert.equal(report.succeeded, report.sent);
  assert.deepEqual(report.failures, {});
  assert.deepEqual(report.outcomes, { "200": report.sent });
  assert.equal(report.receivedBytes, 2 * report.sent);
  assert.ok(report.latency.p50Ms <= report.latency.p99Ms);
  const sequences = endings.map(({ sequence }) => sequence).sort((a, b) => a - b);
  assert.deepEqual(
    sequences,
    Array.from({ length: report.sent }, (_, i) => i),
  );
});

test("the first request is due at the start, not a period later", async () => {
  const aQuarterOfAnHour = 0.001;
  assert.equal((await loadUntil("/", 1, { ratePerSecond: aQuarterOfAnHour, timeoutMs: 5_000 })).sent, 1);
});

test("statuses outside 2xx, resets, cut and missing answers are failures by name", async () => {
  const broken = await loadUntil("/broken", 5);
  assert.deepEqual(broken.failures, { "503": served });
  assert.deepEqual([broken.unansweredCount, broken.retryAfterCount], [0, served]);
  assert.deepEqual((await loadUntil("/reset", 5)).failures, { ECONNRESET: served });
  assert.deepEqual((await loadUntil("/cut", 5)).failures, { truncated: served });
  const silent = await loadUntil("/silent", 5);
  assert.deepEqual(silent.failures, { timeout: served });
  assert.equal(silent.unansweredCount, silent.sent);
});

test("a server that is not there refuses every request", async () => {
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  let ended = 0;
  const refused = new Promise<void>((resolve) => {
    const load = startLoad({
      url: `http://127.0.0.1:${port}`,
      ...{ ratePerSecond: 200, timeoutMs: 1_000 },
      onEnding: ({ outcome }) => {
        assert.equal(outcome, "ECONNREFUSED");
        ended += 1;
        if (ended === 3) void load.stop().then(() => resolve());
      },
    });
  });
  await refused;
});

test("a request that finds every connection busy is counted as unsent, and none ever waits", async () => {
  const options = { ratePerSecond: 2_000, timeoutMs: 200, mostConnections: 3 };
  const report = await new Promise<LoadReport>((resolve) => {
    const onEnding = ({ outcome }: Ending): void => {
      if (outcome === "unsent") void Promise.resolve().then(() => load.stop().then(resolve));
    };
    const load = startLoad({ ...options, url: `${url}/silent`, onEnding });
  });
  assert.equal(report.outcomes["timeout"], 3);
  assert.equal(report.outcomes["unsent"], report.sent - 3);
});

test("latency counts from the moment a request was due, also when the load itself was late", async () => {
  const clock = new ManualClock();
  served = 0;
  const endings: Ending[] = [];
  const options = { url, ratePerSecond: 10, timeoutMs: 10_000, onEnding: (ending: Ending) => endings.push(ending) };
  const load = startLoad(options, { clock, random: seededRandom(1), defer: systemDefer });
  // The process stood still for a second: what was due meanwhile leaves now.
  clock.jump(1_000);
  clock.advance(1);
  while (served < 11) await once(server, "request");
  const report = await load.stop();
  const third = endings.find(({ sequence }) => sequence === 2);
  assert.deepEqual([third?.dueAt, third?.sentAt], [200, 1_000]);
  assert.ok(report.latency.p50Ms > 400, "half of them were due more than 400 ms before they left");
  assert.equal(report.lag.maxMs, 900);
});

test("a warm-up is sent and left out of the report", async () => {
  const load = startLoad({ url, ratePerSecond: 1_000, timeoutMs: 1_000, warmUpMs: 60_000 });
  while (load.sent < 10) await once(server, "request");
  const report = await load.stop();
  assert.deepEqual([report.sent, report.outcomes, report.receivedBytes], [0, {}, 0]);
});

test("each request may be another, and a client may go away in the midst of one", async () => {
  const requestOf = (sequence: number): object =>
    sequence % 2 === 0 ? { path: "/silent", cancelAfterMs: 1 } : { path: "/", method: "POST", body: "x" };
  const report = await loadUntil("/", 6, { requestOf, timeoutMs: 10_000 });
  const { cancelled = 0, "200": succeeded = 0 } = report.outcomes;
  assert.equal(cancelled, Math.ceil(report.sent / 2));
  assert.equal(succeeded, Math.floor(report.sent / 2));
});

test("events of a stream are counted, and one that ends in an error has failed", async () => {
  const latenessOf = (data: string): number | undefined => (data === "[DONE]" ? undefined : Number(data));
  const report = await loadUntil("/events", 5, { eventLatenessMs: latenessOf });
  assert.equal(report.succeeded, report.sent);
  assert.equal(report.events.count, 3 * report.sent);
  assert.equal(report.events.gap.count, 2 * report.sent);
  assert.equal(report.events.lateness.maxMs, 2);
  assert.deepEqual((await loadUntil("/events/failed", 5)).failures, { failed_stream: served });
});

test("a precise load stops using timers shortly before a request is due", async () => {
  const clock = new ManualClock();
  const deferred: (() => void)[] = [];
  const runDeferred = (): void => deferred.splice(0).forEach((callback) => callback());
  const options = { url, ratePerSecond: 100, timeoutMs: 5_000, isPrecise: true };
  const load = startLoad(options, { clock, random: seededRandom(1), defer: (callback) => deferred.push(callback) });
  clock.advance(7);
  assert.deepEqual([load.sent, deferred.length], [1, 0]);
  clock.advance(2);
  runDeferred();
  assert.deepEqual([load.sent, deferred.length], [1, 1]);
  clock.jump(1);
  runDeferred();
  assert.equal(load.sent, 2);
  assert.equal((await load.stop()).lag.maxMs, 0);
});

test("a closed load keeps as many requests under way as it has connections", async () => {
  served = 0;
  const load = startClosedLoad({ url, connectionCount: 4, timeoutMs: 5_000 });
  while (served < 100) await once(server, "request");
  const report = await load.stop();
  assert.equal(report.succeeded, report.sent);
  assert.ok(report.sent >= 100);
  assert.deepEqual(report.failures, {});
});
