import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeRequest, type LoadRequest, readTarget } from "../../../load/load-request.ts";

const target = readTarget("http://127.0.0.1:8000/digits?x=1");
assert.ok(target);

function textOf(request: LoadRequest): string {
  assert.ok(target);
  return Buffer.concat(encodeRequest(target, request).parts).toString();
}

test("a request has what HTTP asks for and what it was given", () => {
  assert.equal(textOf({}), "GET /digits?x=1 HTTP/1.1\r\nhost: 127.0.0.1:8000\r\n\r\n");
  assert.equal(
    textOf({ method: "POST", path: "/", headers: { "Content-Type": "text/plain", Host: "h" }, body: "ä" }),
    "POST / HTTP/1.1\r\nContent-Type: text/plain\r\nHost: h\r\ncontent-length: 2\r\n\r\nä",
  );
  assert.match(textOf({ method: "POST" }), /\r\ncontent-length: 0\r\n/);
});

test("a large body is sent as it is, not copied behind its head", () => {
  assert.ok(target);
  const body = new Uint8Array(1024 * 1024);
  const { parts } = encodeRequest(target, { method: "POST", body });
  assert.equal(parts[1], body);
});

test("what would break out of its line is refused", () => {
  assert.throws(() => textOf({ headers: { a: "b\r\nc: d" } }), TypeError);
  // As one byte each these would be a carriage return and a line feed.
  assert.throws(() => textOf({ headers: { a: "b\u010d\u010ac: d" } }), TypeError);
  assert.throws(() => textOf({ headers: { "a b": "c" } }), TypeError);
  assert.throws(() => textOf({ method: "GET /" }), TypeError);
  assert.throws(() => textOf({ path: "/a b" }), TypeError);
});

test("a URL may leave out http://, and other protocols are none", () => {
  assert.equal(readTarget("127.0.0.1:8000/x")?.path, "/x");
  assert.deepEqual([readTarget("http://[::1]/")?.host, readTarget("https://a.example/")?.port], ["::1", 443]);
  assert.equal(readTarget("ftp://a.example/"), undefined);
  assert.equal(readTarget("http://"), undefined);
});
