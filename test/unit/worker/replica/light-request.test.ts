import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Cancellation } from "../../../../core/cancellation.ts";
import { CancelledError, type ServeError } from "../../../../core/error.ts";
import type { RequestId } from "../../../../core/ids.ts";
import { STREAM_WINDOW_BYTES } from "../../../../core/limits.ts";
import type { Body } from "../../../../proto/body.ts";
import type { HttpRequestHead } from "../../../../proto/exchange.ts";
import { adoptLightRequests, toRequest } from "../../../../worker/replica/light-request.ts";
import { BodyGiver } from "../../../fake/body-bed.ts";
import { settle } from "../../../fake/manual-clock.ts";

before(adoptLightRequests);

const HEAD: HttpRequestHead = {
  kind: "http",
  method: "POST",
  path: "/x",
  prefix: "/app",
  headers: ["Host", "models.example:1", "Content-Type", "application/json", "X-A", "1", "x-a", "2"],
  requestId: "r" as RequestId,
  timeoutMs: 1_000,
  depth: 0,
  traceparent: "",
};

function make(body: Body | string = '{"a":1}', head: Partial<HttpRequestHead> = {}, cancellation = new Cancellation()) {
  return toRequest({ ...HEAD, ...head }, typeof body === "string" ? [Buffer.from(body)] : body, cancellation);
}

test("a light request looks like any Request", () => {
  const request = make();
  assert.ok(request instanceof Request);
  assert.deepEqual([request.method, request.url], ["POST", "http://models.example:1/x"]);
  assert.equal(request.headers.get("x-a"), "1, 2");
  assert.equal(request.headers.get("x-forwarded-prefix"), "/app");
  assert.deepEqual([request.redirect, request.mode, request.bodyUsed], ["follow", "cors", false]);
  assert.equal(Object.prototype.toString.call(request), "[object Request]");
});

test("the URL is what the engine would make of host and path", () => {
  for (const [host, path] of [
    ["h", "/a/b?c=d&e=%20"],
    ["H.Example", "/a b"],
    ["h:80", "/a/./b/../c"],
    ["h", "/%2e%2e/x"],
    ["h", "/.hidden"],
    ["h", "/a'b?c='d'"],
    ["[::1]:8000", "/ü"],
    ["127.1", "//x/y"],
    ["h", "/a?b=<c>"],
  ] as const) {
    const { url } = make("", { path, headers: ["host", host] });
    assert.equal(url, new URL(`http://${host}${path}`).href, host + path);
  }
  for (const host of ["", "not a host", "a/b", "a?b", "user@h"]) {
    assert.equal(make("", { path: "/", headers: ["host", host] }).url, "http://localhost/", host);
  }
});

test("a body is read once, in each of the ways there are", async () => {
  assert.deepEqual(await make().json(), { a: 1 });
  assert.equal(await make("\ufeffü").text(), "ü");
  assert.deepEqual(await make("ab").bytes(), new TextEncoder().encode("ab"));
  assert.equal((await make("ab").arrayBuffer()).byteLength, 2);
  const blob = await make("ab").blob();
  assert.deepEqual([await blob.text(), blob.type], ["ab", "application/json"]);
  const form = make("a=1", { headers: ["content-type", "application/x-www-form-urlencoded"] });
  assert.equal((await form.formData()).get("a"), "1");
  const request = make();
  await request.text();
  assert.equal(request.bodyUsed, true);
  await assert.rejects(request.json(), TypeError);
  await assert.rejects(make("{").json(), SyntaxError);
  assert.equal(await make([], { method: "GET" }).text(), "");
});

test("new Request, clone and the body's stream work, and the body is still read once", async () => {
  const request = make();
  const copy = request.clone();
  assert.deepEqual([await copy.text(), await request.text()], ['{"a":1}', '{"a":1}']);
  const other = new Request(make(), { headers: { "x-b": "1" } });
  assert.deepEqual([other.method, other.url, other.headers.get("x-b")], ["POST", "http://models.example:1/x", "1"]);
  assert.deepEqual(await other.json(), { a: 1 });
  const read = make();
  await read.text();
  assert.throws(() => new Request(read), TypeError);
  const streamed = make();
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamed.body as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), '{"a":1}');
  assert.equal(make([], { method: "GET" }).body, null);
});

test("subclasses of Request, requests without new, and native ones are what they were", () => {
  class Own extends Request {
    readonly isOwn = true;
  }
  const own = new Own(make());
  assert.ok(own instanceof Request && own.isOwn);
  assert.ok(new Request("http://h/") instanceof Request);
  assert.throws(() => Reflect.apply(Request, undefined, ["http://h/"]), TypeError);
});

test("fetch takes a light request", async () => {
  const request = make('{"a":1}', { path: "/x", headers: ["host", "127.0.0.1:1"] });
  // Nothing listens at port 1: what matters is that the request was understood.
  await assert.rejects(fetch(request), (error: Error) => /ECONNREFUSED|bad port/.test(String(error.cause)));
});

test("its signal aborts when the request is cancelled", () => {
  const cancellation = new Cancellation();
  const request = make("", {}, cancellation);
  const reason = new CancelledError("gone");
  cancellation.cancel(reason);
  assert.deepEqual([request.signal.aborted, request.signal.reason], [true, reason]);
});

test("a method that no Request may have is refused", () => {
  assert.throws(
    () => make("", { method: "TRACE" }),
    (error: ServeError) => error.code === "invalid_request",
  );
});

test("a body that streams is received when it is read, and held back by a reader that stands still", async () => {
  const giver = new BodyGiver();
  const request = make(giver.body);
  assert.equal(giver.isReceived, false);
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  assert.equal(giver.isReceived, true);
  const shared = Buffer.alloc(STREAM_WINDOW_BYTES * 2, 7);
  const window = shared.subarray(0, STREAM_WINDOW_BYTES);
  giver.body.write(window);
  await settle();
  assert.equal(giver.consumedBytes, 0);
  const { value } = await reader.read();
  assert.equal(value?.byteLength, STREAM_WINDOW_BYTES);
  assert.equal(giver.consumedBytes, STREAM_WINDOW_BYTES);
  assert.equal(shared.buffer.byteLength > 0, true, "memory that others share is left alone");
  giver.body.write(Uint8Array.of(1));
  giver.body.end();
  assert.deepEqual((await reader.read()).value, Uint8Array.of(1));
  assert.equal((await reader.read()).done, true);
  assert.ok(giver.body.isSettled);
});

test("a body that streams is read as JSON, fails with its error, and is cancelled with its stream", async () => {
  const whole = new BodyGiver(7);
  const reading = make(whole.body).json();
  whole.body.write(Buffer.from('{"a"'));
  whole.body.write(Buffer.from(":1}"));
  whole.body.end();
  assert.deepEqual(await reading, { a: 1 });
  const broken = new BodyGiver();
  const failing = make(broken.body).text();
  broken.body.fail(new CancelledError("gone"));
  await assert.rejects(failing, /gone/);
  const unwanted = new BodyGiver();
  await make(unwanted.body).body?.cancel();
  assert.equal(unwanted.cancelled?.code, "cancelled");
});
