import assert from "node:assert/strict";
import { test } from "node:test";
import { readTarget } from "../../../proxy/request-target.ts";

const LOCAL = { address: "127.0.0.1", port: 8_000 };

test("a path is served as it came", () => {
  for (const path of ["/", "/a/b?c=http://d", "//a", "/%2e%2e"])
    assert.deepEqual(readTarget(path, LOCAL), { target: path, refusal: undefined });
});

test("an absolute URL is served by its path where it names the address that the client came in by", () => {
  for (const [url, target, local] of [
    ["http://127.0.0.1:8000/a?b", "/a?b", LOCAL],
    ["HTTP://LocalHost:8000", "/", LOCAL],
    ["http://127.0.0.1:8000?a", "/?a", LOCAL],
    ["http://10.0.0.5/a", "/a", { address: "::ffff:10.0.0.5", port: 80 }],
    ["https://[fd00::1]:8000/a", "/a", { address: "fd00::1", port: 8_000 }],
    ["http://localhost:8000/a", "/a", { address: "::1", port: 8_000 }],
  ] as const) {
    assert.deepEqual(readTarget(url, local), { target, refusal: undefined }, url);
  }
});

test("an absolute URL of another server is refused as misdirected", () => {
  for (const url of [
    "http://169.254.169.254/latest",
    "http://127.0.0.1/a",
    "http://127.0.0.1:8001/a",
    "http://localhost.evil:8000/a",
    "http://user@127.0.0.1:8000/a",
    "http://127.0.0.1:8000@evil/a",
    "http:///a",
  ]) {
    assert.equal(readTarget(url, LOCAL).refusal?.code, "misdirected_request", url);
  }
  const local = { address: "10.0.0.5", port: 8_000 };
  assert.equal(readTarget("http://localhost:8000/", local).refusal?.code, "misdirected_request");
});

test("what is neither a path nor an absolute URL is refused", () => {
  for (const url of ["*", "a", "", "ftp://127.0.0.1:8000/", "127.0.0.1:8000"])
    assert.equal(readTarget(url, LOCAL).refusal?.code, "invalid_request", url);
});
