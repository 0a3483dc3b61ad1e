import assert from "node:assert/strict";
import { test } from "node:test";
import { CancelledError, QueueFullError, ReplicaLostError, type ServeError } from "../../../core/error.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import { metricText } from "../../../core/metric-text.ts";
import { systemRandom } from "../../../core/random.ts";
import { BodyStream, isStream } from "../../../proto/body.ts";
import { Proxy } from "../../../proxy/proxy.ts";
import { FakeExchange } from "../../fake/fake-exchange.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { RecordingLog } from "../../fake/recording-log.ts";
import { routed, ScriptedRouters, type AnswerRequest } from "../../fake/scripted-routers.ts";

/** A body and what its producer heard. */
function body(): { stream: BodyStream; cancelled: () => ServeError | undefined } {
  let reason: ServeError | undefined;
  const stream = new BodyStream({ onConsumed() {}, onCancel: (error) => (reason = error) });
  return { stream, cancelled: () => reason };
}

function proxyOf(answer: AnswerRequest): {
  proxy: Proxy;
  routers: ScriptedRouters;
  clock: ManualClock;
  counted: () => string[];
} {
  const metrics = createMetrics();
  const clock = new ManualClock();
  const routers = new ScriptedRouters(answer);
  const deps = { clock, random: systemRandom, log: new RecordingLog(), metrics, routers };
  const proxy = new Proxy({ ...deps, nodeMetrics: () => Promise.resolve("") });
  const counted = (): string[] =>
    [...metricText(metrics.samples()).matchAll(/requests_total\{application="app",status="(\d+)"\} (\d+)/g)].map(
      ([, status, count]) => `${status} ${count}`,
    );
  return { proxy, routers, clock, counted };
}

test("an answer that streams is counted when it has ended, with all of its time", async () => {
  const { stream } = body();
  const { proxy, clock, counted } = proxyOf(() => Promise.resolve(routed(200, stream)));
  const exchange = new FakeExchange("GET", "/");
  await proxy.handle(exchange);
  const [answer] = exchange.answers;
  assert.ok(answer !== undefined && isStream(answer.body));
  assert.deepEqual(counted(), []);
  clock.advance(5_000);
  answer.body.receive({ onData() {}, onEnd() {}, onError() {} });
  stream.end();
  assert.deepEqual(counted(), ["200 1"]);
});

test("an answer that breaks off is counted as what it broke off with, one whose client goes away as 499", async () => {
  const streams = [body(), body()];
  let at = 0;
  const { proxy, counted } = proxyOf(() => Promise.resolve(routed(200, streams[at++]?.stream)));
  await proxy.handle(new FakeExchange("GET", "/"));
  await proxy.handle(new FakeExchange("GET", "/"));
  streams[0]?.stream.fail(new ReplicaLostError("gone"));
  assert.deepEqual(counted(), ["502 1"]);
  streams[1]?.stream.cancel(new CancelledError("the client went away"));
  assert.deepEqual(counted().toSorted(), ["499 1", "502 1"]);
});

test("a cancelled call of the application's own is answered while its client waits, and only then", async () => {
  const { proxy, counted } = proxyOf(() => Promise.reject(new CancelledError("the call was cancelled by its signal")));
  const waiting = new FakeExchange("GET", "/");
  await proxy.handle(waiting);
  assert.equal(waiting.answers[0]?.status, 500);
  const gone = new FakeExchange("GET", "/");
  gone.cancellation.cancel(new CancelledError("the client went away"));
  await proxy.handle(gone);
  assert.deepEqual(gone.answers, []);
  assert.deepEqual(counted().toSorted(), ["499 1", "500 1"]);
});

test("events that break off end with one that says why, without a stack; other streams just break off", async () => {
  const types = ["text/event-stream; charset=utf-8", "text/plain"];
  const { proxy } = proxyOf(() => Promise.resolve(routed(200, body().stream, ["Content-Type", types.shift() ?? ""])));
  const exchange = new FakeExchange("GET", "/", { headers: ["x-request-id", "mine"] });
  await proxy.handle(exchange);
  const error = new ReplicaLostError("the replica died", { cause: new Error("secret") });
  const words = Buffer.from(exchange.answers[0]?.lastWords?.(error) ?? []).toString();
  const [, data = ""] = /^event: error\ndata: (\{.*\})\n\n$/.exec(words) ?? [];
  const problem = JSON.parse(data) as Record<string, unknown>;
  assert.deepEqual([problem["code"], problem["status"], problem["requestId"]], ["replica_lost", 502, "mine"]);
  assert.doesNotMatch(words, /secret|at /);
  const plain = new FakeExchange("GET", "/");
  await proxy.handle(plain);
  assert.equal(plain.answers[0]?.lastWords, undefined);
});

test("a stream that nobody asked for is cancelled: for HEAD, with a status that has no body, with one that ends nothing", async () => {
  for (const [method, status, sent] of [
    ["HEAD", 200, 200],
    ["GET", 204, 204],
    ["GET", 103, 500],
  ] as const) {
    const { stream, cancelled } = body();
    const { proxy, counted } = proxyOf(() => Promise.resolve(routed(status, stream)));
    const exchange = new FakeExchange(method, "/");
    await proxy.handle(exchange);
    assert.ok(cancelled() !== undefined);
    assert.equal(exchange.answers[0]?.status, sent);
    assert.equal(isStream(exchange.answers[0].body), false);
    assert.deepEqual(counted(), [`${sent} 1`]);
  }
});

test("the rest of a body that streams is not read when its request has failed", async () => {
  const { stream, cancelled } = body();
  const { proxy } = proxyOf(() => Promise.reject(new QueueFullError("full")));
  const exchange = new FakeExchange("POST", "/", { body: stream });
  await proxy.handle(exchange);
  assert.equal(cancelled()?.code, "queue_full");
  assert.equal(exchange.answers[0]?.status, 503);
});

test("priority and session reach the router; a priority that is none is refused before the router hears of it", async () => {
  const { proxy, routers } = proxyOf(() => Promise.resolve(routed(200)));
  await proxy.handle(new FakeExchange("POST", "/", { headers: ["x-thornback-priority", "-2", "X-Session-Id", "s"] }));
  assert.deepEqual([routers.requests[0]?.priority, routers.requests[0]?.key], [-2, "s"]);
  const refused = new FakeExchange("POST", "/", { headers: ["x-thornback-priority", "11"] });
  await proxy.handle(refused);
  assert.equal(refused.answers[0]?.status, 400);
  assert.equal(routers.requests.length, 1);
});
