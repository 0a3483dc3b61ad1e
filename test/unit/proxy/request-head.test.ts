import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidRequestError } from "../../../core/error.ts";
import {
  answerHeaders,
  modelIdOf,
  priorityOf,
  readProxyHead,
  refusalOf,
  timeoutOf,
} from "../../../proxy/request-head.ts";

test("headers of this hop stay behind, also those that Connection names", () => {
  const { forwarded } = readProxyHead([
    "Host",
    "x",
    "Connection",
    "close, X-Secret",
    "X-Secret",
    "1",
    "Keep-Alive",
    "5",
    "TE",
    "trailers",
    "Upgrade",
    "h2c",
    "Accept",
    "a",
  ]);
  assert.deepEqual(forwarded, ["host", "x", "accept", "a"]);
});

test("Connection cannot take away what the request means", () => {
  const { forwarded } = readProxyHead(["Host", "x", "Connection", "host, content-type", "Content-Type", "a/b"]);
  assert.deepEqual(forwarded, ["host", "x", "content-type", "a/b"]);
});

test("a request id is taken over when it can be echoed", () => {
  for (const [value, expected] of [
    ["abc-1", "abc-1"],
    ["x".repeat(128), "x".repeat(128)],
    ["x".repeat(129), ""],
    ["a b", ""],
    ["\u00e9", ""],
    ["", ""],
  ] as const) {
    assert.equal(readProxyHead(["X-Request-Id", value]).requestId, expected);
  }
});

test("a well-formed trace context is passed on, another is not", () => {
  const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  assert.equal(readProxyHead(["traceparent", good]).traceparent, good);
  assert.equal(readProxyHead(["traceparent", "00-zz"]).traceparent, "");
});

test("of several priorities and model ids the first is checked, which is the one that the replica reads", () => {
  const twice = (name: string, first: string): string[] => [name, first, name, "1"];
  assert.throws(() => priorityOf(readProxyHead(twice("x-thornback-priority", "high"))), InvalidRequestError);
  assert.throws(() => modelIdOf(readProxyHead(twice("x-thornback-model-id", "../a"))), InvalidRequestError);
});

test("a client can tighten its deadline, not loosen it", () => {
  const timeout = (value: string): number => timeoutOf(readProxyHead(["x-thornback-timeout-ms", value]), 1_000);
  assert.equal(timeout("200"), 200);
  assert.equal(timeout("5000"), 1_000);
  assert.equal(timeoutOf(readProxyHead([]), 1_000), 1_000);
  for (const bad of ["0", "-1", "1.5", "1e3", "", "soon"]) assert.throws(() => timeout(bad), InvalidRequestError);
});

test("a client can say how urgent its request is, and which session it belongs to", () => {
  const head = (...headers: string[]): ReturnType<typeof readProxyHead> => readProxyHead(headers);
  for (const [text, priority] of [
    ["10", 10],
    ["-10", -10],
    ["+3", 3],
    ["0", 0],
  ] as const) {
    assert.equal(priorityOf(head("X-Thornback-Priority", text)), priority);
  }
  assert.equal(priorityOf(head()), 0);
  for (const bad of ["11", "-11", "1.5", "", "high", "1e1"]) {
    assert.throws(() => priorityOf(head("x-thornback-priority", bad)), InvalidRequestError, bad);
  }
  const { key, forwarded } = head("X-Session-Id", "s 1", "x-thornback-priority", "1");
  assert.equal(key, "s 1");
  // The replica orders its batches by the one, and may want to know the other.
  assert.deepEqual(forwarded, ["x-session-id", "s 1", "x-thornback-priority", "1"]);
});

test("the handshake of a WebSocket stays at this hop, its subprotocol does not", () => {
  const { forwarded } = readProxyHead([
    "Sec-WebSocket-Key",
    "a",
    "Sec-WebSocket-Version",
    "13",
    "Sec-WebSocket-Extensions",
    "permessage-deflate",
    "Sec-WebSocket-Protocol",
    "chat",
  ]);
  assert.deepEqual(forwarded, ["sec-websocket-protocol", "chat"]);
});

test("what is ambiguous is refused", () => {
  assert.equal(refusalOf(["host", "a"], false), undefined);
  assert.equal(refusalOf([], true), undefined);
  assert.equal(refusalOf(["Host", "a", "hOST", "a"], false)?.code, "invalid_request");
  assert.equal(refusalOf([], false)?.code, "invalid_request");
  assert.equal(refusalOf(["Transfer-Encoding", "chunked"], true)?.code, "invalid_request");
  assert.equal(refusalOf(["host", "a", ...Array.from({ length: 200 }, () => "x")], false)?.code, "headers_too_large");
});

test("an answer keeps its headers but for those of the replica's hop and those that the proxy says", () => {
  const headers = [
    "Set-Cookie",
    "a",
    "Set-Cookie",
    "b",
    "Connection",
    "close",
    "Transfer-Encoding",
    "chunked",
    "Content-Length",
    "9",
    "X-Request-Id",
    "z",
  ];
  assert.deepEqual(answerHeaders(headers, false), ["Set-Cookie", "a", "Set-Cookie", "b"]);
  assert.deepEqual(answerHeaders(["Content-Length", "9"], true), ["Content-Length", "9"]);
});

test("a client can say which model its request is for, and the replica reads the same", () => {
  const head = readProxyHead(["X-Thornback-Model-Id", "team/digits:v2", "x-thornback-model-id", "other"]);
  assert.equal(modelIdOf(head), "team/digits:v2");
  assert.deepEqual(head.forwarded.slice(0, 2), ["x-thornback-model-id", "team/digits:v2"]);
  assert.equal(modelIdOf(readProxyHead(["a", "b"])), "");
  for (const bad of ["", "../a", "a b", "a".repeat(129)]) {
    assert.throws(() => modelIdOf(readProxyHead(["x-thornback-model-id", bad])), InvalidRequestError, bad);
  }
});
