import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { AccessKeySpec } from "../../../core/access.ts";
import { RateLimitedError, UnauthenticatedError } from "../../../core/error.ts";
import { BodyStream } from "../../../proto/body.ts";
import { Access } from "../../../proxy/access.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { routeEntry } from "../../fake/table.ts";

const digest = (key: string): string => createHash("sha256").update(key).digest("hex");

function key(name: string, more: Partial<AccessKeySpec> = {}): AccessKeySpec {
  const sha256 = digest(`tb_${name}`);
  return { name, sha256, requestsPerSecond: 0, burst: 1, maxOngoingRequests: 0, ...more };
}

function make(keys: readonly AccessKeySpec[], proxyCount = 1) {
  const clock = new ManualClock();
  const route = routeEntry("/", { access: { keys } });
  return { clock, route, access: new Access({ clock, proxyCount, trustedProxies: [] }) };
}

const closed = make([key("alice"), key("bob"), key("carol")]);

const PEER = "203.0.113.7";
const FORWARDED = ["x-forwarded-for", PEER, "x-forwarded-proto", "http"];

/** What goes on to the replica, beside where it came from. */
function admitted(headers: readonly string[]): readonly string[] {
  const list = [...headers];
  closed.access.admit(closed.route, PEER, list);
  const at = list.indexOf("x-forwarded-for");
  assert.deepEqual(list.splice(at, 4), FORWARDED);
  return list;
}

test("a key of the route lets in, by either header; what goes on names its owner and holds the key no more", () => {
  assert.deepEqual(admitted(["x-api-key", "tb_carol", "a", "b"]), ["a", "b", "x-thornback-key", "carol"]);
  assert.deepEqual(admitted(["a", "b", "authorization", "bearer tb_bob"]), ["a", "b", "x-thornback-key", "bob"]);
});

test("with both headers x-api-key is the key, and the application gets its own authorization", () => {
  const headers = ["authorization", "Bearer of-the-user", "x-api-key", "tb_alice"];
  assert.deepEqual(admitted(headers), ["authorization", "Bearer of-the-user", "x-thornback-key", "alice"]);
  assert.throws(() => admitted(["authorization", "Bearer tb_alice", "x-api-key", "wrong"]), UnauthenticatedError);
});

test("no key, a wrong one, another scheme, two at once and an empty one are refused without repeating them", () => {
  const wrong = [
    [],
    ["x-api-key", "tb_mallory"],
    ["x-api-key", ""],
    ["authorization", "Basic dGJfYWxpY2U="],
    ["authorization", "Bearer"],
    ["x-api-key", "tb_alice", "x-api-key", "tb_bob"],
    ["x-api-key", digest("tb_alice")],
    // A value is no name.
    ["vary", "x-api-key"],
  ];
  for (const headers of wrong) {
    assert.throws(
      () => admitted(headers),
      (error) => error instanceof UnauthenticatedError && !error.message.includes("tb_"),
      JSON.stringify(headers),
    );
  }
});

test("a route without keys is open, and its headers stay as they are", () => {
  const headers = ["x-api-key", "of the application's own"];
  assert.equal(closed.access.admit(routeEntry("/"), PEER, headers), undefined);
  assert.deepEqual(headers, ["x-api-key", "of the application's own", ...FORWARDED]);
});

test("each of a thousand keys is found", () => {
  const names = Array.from({ length: 1_000 }, (_, at) => `n${at}`);
  const { access, route } = make(names.map((name) => key(name)));
  for (const name of ["n0", "n1", "n500", "n999"]) {
    const headers = ["x-api-key", `tb_${name}`];
    access.admit(route, PEER, headers);
    assert.deepEqual(headers, [...FORWARDED, "x-thornback-key", name]);
  }
  assert.throws(() => access.admit(route, PEER, ["x-api-key", "tb_n1000"]), UnauthenticatedError);
});

test("over its rate a key is refused with when to come again, the others are not", () => {
  const { access, route, clock } = make([key("alice", { requestsPerSecond: 0.25 }), key("bob")]);
  const send = (name: string) => access.admit(route, PEER, ["x-api-key", `tb_${name}`]);
  send("alice");
  assert.throws(
    () => send("alice"),
    (error) => error instanceof RateLimitedError && error.details.retryAfterSeconds === 4,
  );
  send("bob");
  clock.advance(4_000);
  send("alice");
});

test("what may be ongoing is counted until it is released, once", () => {
  const { access, route } = make([key("alice", { maxOngoingRequests: 2 })]);
  const send = () => access.admit(route, PEER, ["x-api-key", "tb_alice"]);
  const first = send();
  send();
  assert.throws(send, RateLimitedError);
  first?.releaseAfter([]);
  first?.releaseAfter([]);
  send();
  assert.throws(send, RateLimitedError);
});

test("a streamed answer counts until it is settled", () => {
  const { access, route } = make([key("alice", { maxOngoingRequests: 1 })]);
  const send = () => access.admit(route, PEER, ["x-api-key", "tb_alice"]);
  const answer = new BodyStream({ onConsumed() {}, onCancel() {} });
  send()?.releaseAfter(answer);
  assert.throws(send, RateLimitedError);
  answer.receive({ onData() {}, onEnd() {}, onError() {} });
  assert.throws(send, RateLimitedError);
  answer.end();
  send();
});

test("a change of the table keeps what a key has used, unless its limits changed", () => {
  const limited = [key("alice", { requestsPerSecond: 0.1 })];
  const { access, route } = make(limited);
  const send = (to: typeof route) => access.admit(to, PEER, ["x-api-key", "tb_alice"]);
  send(route);
  const moved = routeEntry("/moved", { access: { keys: [key("bob"), ...limited] } });
  assert.throws(() => send(moved), RateLimitedError);
  const raised = routeEntry("/moved", { access: { keys: [key("alice", { requestsPerSecond: 0.2 })] } });
  send(raised);
  assert.throws(() => send(raised), RateLimitedError);
});

test("of two proxies each gives half of a node's limits", () => {
  const { access, route } = make([key("alice", { maxOngoingRequests: 4 })], 2);
  const send = () => access.admit(route, PEER, ["x-api-key", "tb_alice"]);
  send();
  send();
  assert.throws(send, RateLimitedError);
});
