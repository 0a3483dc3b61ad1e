import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Cancellation } from "../../../core/cancellation.ts";
import { HandlerError } from "../../../core/error.ts";
import { metricText } from "../../../core/metric-text.ts";
import { echo, proxyBed, type ProxyBed } from "../../fake/proxy-bed.ts";

type Echo = {
  method: string;
  path: string;
  prefix: string;
  headers: string[];
  requestId: string;
  timeoutMs: number;
  bytes: number;
  traceparent: string;
};
type Problem = { status: number; code: string; detail: string; requestId: string };

const beds: ProxyBed[] = [];
after(async () => {
  await Promise.all(beds.map((bed) => bed.close()));
});

async function start(...args: Parameters<typeof proxyBed>): Promise<ProxyBed> {
  const bed = await proxyBed(...args);
  beds.push(bed);
  return bed;
}

const predict = await start(echo, {
  routes: [{ prefix: "/digits", ingressKind: "predict", openapi: JSON.stringify({ openapi: "3.1.0", paths: {} }) }],
});
const fetchBed = await start(echo, { routes: [{ prefix: "/api" }, { prefix: "/" }] });

test("a fetch ingress gets everything below its prefix, the prefix stripped and the query kept", async () => {
  const body = (await (await fetch(`${fetchBed.url}/api/x%20y?z=1`, { method: "DELETE" })).json()) as Echo;
  assert.deepEqual([body.method, body.path, body.prefix], ["DELETE", "/x%20y?z=1", "/api"]);
});

test("an answer has the request id it was given, or one of its own, and the version that gave it", async () => {
  const given = await fetch(fetchBed.url, { headers: { "x-request-id": "mine" } });
  assert.equal(given.headers.get("x-request-id"), "mine");
  assert.equal(((await given.json()) as Echo).requestId, "mine");
  const made = await fetch(fetchBed.url);
  assert.match(made.headers.get("x-request-id") ?? "", /^[a-z0-9]{12}-\w+$/);
  assert.equal(made.headers.get("x-thornback-version"), "v1");
  await made.arrayBuffer();
});

test("trace context, deadline and headers reach the replica", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const headers = { traceparent, "x-thornback-timeout-ms": "500", "x-mine": "é" };
  const body = (await (await fetch(fetchBed.url, { method: "POST", headers, body: "abc" })).json()) as Echo;
  assert.equal(body.traceparent, traceparent);
  assert.ok(body.timeoutMs > 0 && body.timeoutMs <= 500);
  assert.equal(body.headers[body.headers.indexOf("x-mine") + 1], "é");
  assert.equal(body.bytes, 3);
});

async function problem(response: Response): Promise<Problem> {
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const body = (await response.json()) as Problem;
  assert.equal(body.status, response.status);
  assert.equal(body.requestId, response.headers.get("x-request-id"));
  return body;
}

test("a predict ingress takes POST on its prefix and nothing else", async () => {
  assert.equal((await fetch(`${predict.url}/digits`, { method: "POST", body: "{}" })).status, 200);
  const wrongMethod = await fetch(`${predict.url}/digits`);
  assert.equal(wrongMethod.headers.get("allow"), "POST");
  assert.equal((await problem(wrongMethod)).code, "method_not_allowed");
  assert.equal((await problem(await fetch(`${predict.url}/digits/more`, { method: "POST" }))).code, "route_not_found");
  assert.equal((await problem(await fetch(`${predict.url}/other`))).code, "route_not_found");
});

test("the proxy describes a predict ingress itself", async () => {
  const document = (await (await fetch(`${predict.url}/digits/openapi.json`)).json()) as { servers: unknown };
  assert.deepEqual(document.servers, [{ url: "/digits" }]);
  const page = await fetch(`${predict.url}/digits/docs`);
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(await page.text(), /app at \/digits/);
});

test("a body over the limit is refused: declared before it is read, chunked while it is", async () => {
  const declared = await fetch(fetchBed.url, { method: "POST", body: "x".repeat(1_001) });
  assert.equal((await problem(declared)).code, "payload_too_large");
  const stream = new ReadableStream({
    start(controller) {
      for (let count = 0; count < 20; count++) controller.enqueue(Buffer.alloc(100));
      controller.close();
    },
  });
  const chunked = await fetch(fetchBed.url, { method: "POST", body: stream, duplex: "half" } as RequestInit);
  assert.equal((await problem(chunked)).code, "payload_too_large");
  const fits = await fetch(fetchBed.url, { method: "POST", body: "x".repeat(1_000) });
  assert.equal(((await fits.json()) as Echo).bytes, 1_000);
});

test("HEAD is answered with the length of the body and without it", async () => {
  const response = await fetch(fetchBed.url, { method: "HEAD" });
  assert.ok(Number(response.headers.get("content-length")) > 0);
  assert.equal(await response.text(), "");
});

test("status, headers that repeat, bytes of any size and answers without a body arrive as they are", async () => {
  const large = Buffer.alloc(100_000, 7);
  const bed = await start((head) => {
    const path = head.kind === "http" ? head.path : "";
    if (path === "/none") return Promise.resolve({ status: 204, headers: [], body: [] });
    if (path === "/parts")
      return Promise.resolve({ status: 200, headers: [], body: [Buffer.from("é"), large, Buffer.from("!")] });
    return Promise.resolve({
      status: 418,
      headers: ["set-cookie", "a=1", "set-cookie", "b=2"],
      body: [Buffer.from("é")],
    });
  });
  const teapot = await fetch(bed.url);
  assert.deepEqual([teapot.status, teapot.headers.getSetCookie(), await teapot.text()], [418, ["a=1", "b=2"], "é"]);
  const none = await fetch(`${bed.url}/none`);
  assert.deepEqual([none.status, none.headers.get("content-length")], [204, null]);
  const parts = Buffer.from(await (await fetch(`${bed.url}/parts`)).arrayBuffer());
  assert.deepEqual(parts, Buffer.concat([Buffer.from("é"), large, Buffer.from("!")]));
});

test("an error of user code is a problem with its own status, and an impossible status is its failure", async () => {
  const bed = await start((head) =>
    head.kind === "http" && head.path === "/odd"
      ? Promise.resolve({ status: 101, headers: [], body: [] })
      : Promise.reject(new HandlerError("no tea", { details: { status: 418 } })),
  );
  const response = await fetch(bed.url);
  assert.equal(response.status, 418);
  assert.equal((await problem(response)).detail, "no tea");
  assert.equal((await problem(await fetch(`${bed.url}/odd`))).code, "handler_failed");
});

test("the deadline of a client ends its request with 504", async () => {
  const bed = await start(() => new Promise(() => {}));
  const response = await fetch(bed.url, { headers: { "x-thornback-timeout-ms": "30" } });
  assert.equal(response.status, 504);
  assert.equal((await problem(response)).code, "deadline_exceeded");
});

test("a client that goes away cancels its request, which is counted as 499 and logged nowhere", async () => {
  const { promise: began, resolve: begin } = Promise.withResolvers<Cancellation>();
  const bed = await start((_head, _body, cancellation) => {
    begin(cancellation);
    return new Promise((_resolve, reject) => cancellation.onCancel(reject));
  });
  const controller = new AbortController();
  const gone = fetch(bed.url, { signal: controller.signal });
  const cancellation = await began;
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  cancellation.onCancel(() => resolve());
  controller.abort();
  await assert.rejects(gone);
  await cancelled;
  assert.match(metricText(bed.metrics.samples()), /thornback_http_requests_total\{application="app",status="499"\} 1/);
  assert.deepEqual(
    bed.log.lines.filter((line) => line.level === "error"),
    [],
  );
});

test("the proxy's own paths: live, ready with a table, draining, routes and metrics", async () => {
  const bed = await start(echo, { hasTable: false });
  const status = async (path: string): Promise<number> => (await fetch(`${bed.url}${path}`)).status;
  assert.equal(await status("/-/livez"), 200);
  assert.equal(await status("/-/readyz"), 503);
  assert.equal(await status("/anything"), 503, "what is served is not known yet, so nothing can be said to be missing");
  assert.equal(await (await fetch(`${fetchBed.url}/-/metrics`)).text(), "metrics\n");
  assert.equal((await fetch(`${fetchBed.url}/-/healthz`)).status, 200);
  assert.equal((await fetch(`${fetchBed.url}/-/nope`)).status, 404);
  assert.equal((await fetch(`${fetchBed.url}/-/livez`, { method: "POST" })).status, 405);
  assert.deepEqual(await (await fetch(`${fetchBed.url}/-/routes`)).json(), {
    routes: [
      { prefix: "/", application: "app", deployment: "app/Model" },
      { prefix: "/api", application: "app", deployment: "app/Model" },
    ],
  });
  const draining = await start(echo);
  await draining.proxy.drain();
  assert.equal((await fetch(`${draining.url}/-/readyz`)).status, 503);
  assert.equal((await fetch(draining.url)).status, 200);
  const emptied = await start(echo);
  for (const [isOut, code] of [
    [true, 503],
    [false, 200],
  ] as const) {
    emptied.proxy.setOut(isOut);
    assert.equal((await fetch(`${emptied.url}/-/readyz`)).status, code);
    assert.equal((await fetch(emptied.url)).status, 200);
  }
});

for (const front of ["node", "llhttp"] as const) {
  test(`${front}: a refused upgrade says which version is spoken, and nothing is read behind it`, async () => {
    const bed = await start(echo, { front });
    const upgrade = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    const answers = await bed.raw(`${upgrade}GET /behind HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 400"]);
    assert.match(answers, /\r\nsec-websocket-version: 13\r\n/);
    assert.match(answers, /\r\nconnection: close\r\n/i);
  });
}
