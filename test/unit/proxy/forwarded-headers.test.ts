import assert from "node:assert/strict";
import { test } from "node:test";
import { ForwardedHeaders } from "../../../proxy/forwarded-headers.ts";

const PEER = "203.0.113.7";
const CLAIMS = [
  "host",
  "models.example",
  "x-forwarded-for",
  "10.0.0.1",
  "accept",
  "*/*",
  "x-forwarded-proto",
  "https",
  "x-forwarded-host",
  "evil.example",
  "forwarded",
  "for=10.0.0.1",
];
const MORE_CLAIMS = ["x-forwarded-port", "8443", "x-real-ip", "198.51.100.9"];

function applied(trusted: readonly string[], headers: readonly string[], peer: string): Record<string, string> {
  const list = [...headers];
  new ForwardedHeaders(trusted).apply(list, peer);
  const all: Record<string, string> = {};
  for (let at = 0; at + 1 < list.length; at += 2) {
    const name = list[at] ?? "";
    assert.ok(!(name in all), `${name} is there twice`);
    all[name] = list[at + 1] ?? "";
  }
  return all;
}

test("from anyone but a trusted proxy the headers say what this proxy saw", () => {
  const seen = {
    host: "models.example",
    accept: "*/*",
    "x-forwarded-for": PEER,
    "x-forwarded-proto": "http",
    "x-forwarded-host": "models.example",
  };
  assert.deepEqual(applied([], CLAIMS, PEER), seen);
  assert.deepEqual(applied([], [...CLAIMS, ...MORE_CLAIMS], PEER), seen);
  assert.deepEqual(applied(["10.0.0.0/8"], CLAIMS, PEER), seen);
});

test("a trusted proxy is believed, and its own address is added", () => {
  const headers = applied([PEER], CLAIMS, PEER);
  assert.equal(headers["x-forwarded-for"], `10.0.0.1, ${PEER}`);
  assert.equal(headers["x-forwarded-proto"], "https");
  assert.equal(headers["x-forwarded-host"], "evil.example");
  assert.equal(headers["forwarded"], `for=10.0.0.1, for=${PEER}`);
});

test("what else a trusted proxy says of the client is kept", () => {
  const kept = applied(["203.0.113.0/24"], MORE_CLAIMS, PEER);
  assert.deepEqual([kept["x-forwarded-port"], kept["x-real-ip"]], ["8443", "198.51.100.9"]);
});

test("a trusted proxy that says nothing is the client", () => {
  assert.deepEqual(applied(["10.0.0.0/8"], ["host", "a"], "10.1.2.3"), {
    host: "a",
    "x-forwarded-for": "10.1.2.3",
    "x-forwarded-proto": "http",
    "x-forwarded-host": "a",
  });
});

test("what the client wrote before its own address is dropped, so that the first address is the client's", () => {
  const chain = (text: string): string | undefined =>
    applied(["10.0.0.0/8", "2001:db8::/32"], ["x-forwarded-for", text], "10.0.0.9")["x-forwarded-for"];
  assert.equal(chain("127.0.0.1, 198.51.100.4"), "198.51.100.4, 10.0.0.9");
  assert.equal(chain("127.0.0.1, 198.51.100.4, 10.0.0.8"), "198.51.100.4, 10.0.0.8, 10.0.0.9");
  assert.equal(
    chain("198.51.100.4, [2001:db8::1]:443, 10.0.0.8:80"),
    "198.51.100.4, [2001:db8::1]:443, 10.0.0.8:80, 10.0.0.9",
  );
  assert.equal(chain("10.0.0.1, 10.0.0.2"), "10.0.0.1, 10.0.0.2, 10.0.0.9");
  assert.equal(chain("10.0.0.1, unknown"), "unknown, 10.0.0.9");
  assert.equal(chain("10.0.0.1,, 10.0.0.2"), "10.0.0.1, 10.0.0.2, 10.0.0.9");
  assert.equal(chain(" ,"), "10.0.0.9");
});

test("several lines of x-forwarded-for are one list", () => {
  const headers = ["x-forwarded-for", "192.0.2.1", "a", "b", "x-forwarded-for", "10.0.0.2"];
  assert.equal(applied(["10.0.0.0/8"], headers, "10.0.0.9")["x-forwarded-for"], "192.0.2.1, 10.0.0.2, 10.0.0.9");
});

test("IPv4 in IPv6 is IPv4, and IPv6 peers match IPv6 networks", () => {
  assert.equal(applied([], [], `::ffff:${PEER}`)["x-forwarded-for"], PEER);
  assert.equal(applied([PEER], CLAIMS, `::ffff:${PEER}`)["x-forwarded-proto"], "https");
  assert.equal(applied(["::1"], CLAIMS, "::1")["forwarded"], 'for=10.0.0.1, for="[::1]"');
  assert.equal(applied(["fe80::/10"], CLAIMS, "fe80::1%eth0")["x-forwarded-proto"], "https");
});

test("nobody but the proxy says whose key it was", () => {
  assert.equal(applied([], ["x-thornback-key", "admin", "a", "b"], PEER)["x-thornback-key"], undefined);
  assert.equal(applied([PEER], ["x-thornback-key", "admin"], PEER)["x-thornback-key"], undefined);
});

test("the memory of addresses is bounded and right when it begins anew", () => {
  const forwarded = new ForwardedHeaders(["10.0.0.0/8"]);
  for (let at = 0; at < 3_000; at++) {
    const headers = ["x-forwarded-for", `192.0.${at >> 8}.${at & 255}`];
    forwarded.apply(headers, "10.0.0.1");
    assert.equal(headers[1], `192.0.${at >> 8}.${at & 255}, 10.0.0.1`);
  }
});
