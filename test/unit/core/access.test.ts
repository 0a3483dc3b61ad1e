import assert from "node:assert/strict";
import { test } from "node:test";
import { readAccess, readCors } from "../../../core/access.ts";
import { ProblemList } from "../../../core/problem-list.ts";

const SHA256 = "ab".repeat(32);

function problemsOf(read: (problems: ProblemList) => unknown): readonly string[] {
  const problems = new ProblemList();
  read(problems);
  return problems.all.map(({ path, message }) => `${path} ${message}`);
}

test("a key without limits has none, and a burst of one second's worth where it has a rate", () => {
  const problems = new ProblemList();
  const keys = [
    { name: "alice", sha256: SHA256.toUpperCase() },
    { name: "bob@example.com", sha256: "cd".repeat(32), requestsPerSecond: 2.5 },
  ];
  const access = readAccess(problems, "access", { keys });
  assert.deepEqual(problems.all, []);
  assert.deepEqual(access?.keys, [
    { name: "alice", sha256: SHA256, requestsPerSecond: 0, burst: 1, maxOngoingRequests: 0 },
    { name: "bob@example.com", sha256: "cd".repeat(32), requestsPerSecond: 2.5, burst: 3, maxOngoingRequests: 0 },
  ]);
  assert.equal(readAccess(problems, "access", undefined), undefined);
});

test("an empty list of keys is refused, because it would open what was meant to be closed", () => {
  assert.match(problemsOf((list) => readAccess(list, "access", { keys: [] }))[0] ?? "", /^access\.keys must hold/);
  assert.match(problemsOf((list) => readAccess(list, "access", null))[0] ?? "", /^access must be/);
  assert.match(problemsOf((list) => readAccess(list, "access", {}))[0] ?? "", /^access\.keys must be a list/);
});

test("a key in place of its digest is refused without being repeated", () => {
  const said = problemsOf((list) => readAccess(list, "access", { keys: [{ name: "a", sha256: "tb_secret" }] }));
  assert.match(said.join(), /^access\.keys\[0\]\.sha256 must be the SHA-256/);
  assert.doesNotMatch(said.join(), /tb_secret/);
});

test("names, digests and limits that cannot be are refused, each with its path", () => {
  const keys = [
    { name: "a", sha256: SHA256, burst: 0 },
    { name: "a", sha256: SHA256, requestsPerSecond: -1, scope: "all" },
    { name: "no spaces", sha256: "cd".repeat(32), maxOngoingRequests: 1.5 },
  ];
  const paths = problemsOf((list) => readAccess(list, "access", { keys })).map((text) => text.split(" ")[0]);
  assert.deepEqual(paths.sort(), [
    "access.keys[0].burst",
    "access.keys[1].name",
    "access.keys[1].requestsPerSecond",
    "access.keys[1].scope",
    "access.keys[1].sha256",
    "access.keys[2].maxOngoingRequests",
    "access.keys[2].name",
  ]);
});

test("CORS is read with its defaults, origins as browsers send them", () => {
  const problems = new ProblemList();
  const cors = readCors(problems, "cors", { origins: ["https://app.example.com/", "http://localhost:5173"] });
  assert.deepEqual(problems.all, []);
  assert.deepEqual(cors?.origins, ["https://app.example.com", "http://localhost:5173"]);
  assert.deepEqual(cors?.methods, ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
  assert.deepEqual(cors?.headers, []);
  assert.equal(cors?.credentials, false);
  assert.equal(cors?.maxAgeSeconds, 600);
});

test("credentials for every origin, origins with a path, and names with line breaks are refused", () => {
  assert.match(problemsOf((list) => readCors(list, "cors", { origins: "*", credentials: true })).join(), /credentials/);
  for (const origin of ["https://a.example/x", "a.example", "null", "https://*.example.com:x", 3]) {
    assert.match(problemsOf((list) => readCors(list, "cors", { origins: [origin] })).join(), /origins\[0\]/);
  }
  const headers = ["x-a\r\nset-cookie: b"];
  assert.match(problemsOf((list) => readCors(list, "cors", { origins: "*", headers })).join(), /cors\.headers\[0\]/);
});
