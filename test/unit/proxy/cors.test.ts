import assert from "node:assert/strict";
import { test } from "node:test";
import { readCors } from "../../../core/access.ts";
import { PermissionDeniedError } from "../../../core/error.ts";
import { ProblemList } from "../../../core/problem-list.ts";
import type { RouteEntry } from "../../../core/table.ts";
import { checkSocketOrigin, corsHeaders, preflightAnswer, withCors } from "../../../proxy/cors.ts";
import { routeEntry } from "../../fake/table.ts";

function route(cors: Record<string, unknown>): RouteEntry {
  const problems = new ProblemList();
  const read = readCors(problems, "cors", cors);
  assert.deepEqual(problems.all, []);
  return routeEntry("/", { cors: read });
}

const PAGE = "https://app.example.com";
const listed = route({ origins: [PAGE], credentials: true, exposedHeaders: ["x-request-id"] });
const asked = ["Origin", PAGE, "Access-Control-Request-Method", "POST"];

/** Names and values by turns as an object; a name that is there twice is joined. */
function record(headers: readonly string[]): Record<string, string> {
  const all: Record<string, string> = {};
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? "";
    all[name] = name in all ? `${all[name]}, ${headers[at + 1]}` : (headers[at + 1] ?? "");
  }
  return all;
}

test("a route without a setting adds nothing and answers no preflight", () => {
  assert.deepEqual(corsHeaders(routeEntry("/"), ["origin", PAGE]), []);
  assert.equal(preflightAnswer(routeEntry("/"), "OPTIONS", asked), undefined);
  const own = ["access-control-allow-origin", "https://own"];
  assert.equal(withCors(own, []), own);
});

test("an allowed origin is named, another is not, and caches keep them apart", () => {
  assert.deepEqual(record(corsHeaders(listed, ["origin", PAGE])), {
    "access-control-allow-origin": PAGE,
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "x-request-id",
    vary: "origin",
  });
  for (const headers of [
    ["origin", "https://evil.example"],
    ["origin", `${PAGE}.evil.example`],
    ["origin", "null"],
    [],
  ]) {
    assert.deepEqual(corsHeaders(listed, headers), ["vary", "origin"]);
  }
});

test("every origin is answered with a star, which caches may share", () => {
  const open = route({ origins: "*", exposedHeaders: [] });
  assert.deepEqual(corsHeaders(open, []), ["access-control-allow-origin", "*"]);
});

test("a preflight is answered with 204, methods, age and the headers it asked for", () => {
  const headers = [...asked, "Access-Control-Request-Headers", "content-type,x-api-key"];
  const answer = preflightAnswer(listed, "OPTIONS", headers);
  assert.equal(answer?.status, 204);
  const said = record(answer.headers);
  assert.equal(said["access-control-allow-origin"], PAGE);
  assert.equal(said["access-control-allow-methods"], "GET, HEAD, POST, PUT, PATCH, DELETE");
  assert.equal(said["access-control-allow-headers"], "content-type,x-api-key");
  assert.equal(said["access-control-max-age"], "600");
  assert.equal(said["vary"], "origin, access-control-request-headers");
});

test("configured request headers are listed whatever is asked for", () => {
  const strict = route({ origins: [PAGE], headers: ["Content-Type"], methods: ["post"], maxAgeSeconds: 5 });
  const answer = preflightAnswer(strict, "OPTIONS", [...asked, "Access-Control-Request-Headers", "x-other"]);
  const said = record(answer?.headers ?? []);
  assert.equal(said["access-control-allow-headers"], "content-type");
  assert.equal(said["access-control-allow-methods"], "POST");
  assert.equal(said["vary"], "origin");
});

test("a preflight of another origin gets no leave", () => {
  const answer = preflightAnswer(listed, "OPTIONS", ["origin", "https://evil", "access-control-request-method", "PUT"]);
  assert.equal(answer?.status, 204);
  assert.deepEqual(Object.keys(record(answer.headers)), ["vary"]);
});

test("OPTIONS that is no preflight is the application's", () => {
  assert.equal(preflightAnswer(listed, "OPTIONS", ["origin", PAGE]), undefined);
  assert.equal(preflightAnswer(listed, "OPTIONS", ["access-control-request-method", "PUT"]), undefined);
  assert.equal(preflightAnswer(listed, "POST", asked), undefined);
});

test("an answer's own access-control headers give way, the others stay", () => {
  const answer = ["Access-Control-Allow-Origin", "*", "x-a", "1", "vary", "accept"];
  assert.deepEqual(withCors(answer, ["vary", "origin"]), ["x-a", "1", "vary", "accept", "vary", "origin"]);
});

test("a page of an origin that is not allowed may open no WebSocket; other clients and routes without a setting may", () => {
  assert.throws(() => checkSocketOrigin(listed, ["origin", "https://evil"]), PermissionDeniedError);
  checkSocketOrigin(listed, ["origin", PAGE]);
  checkSocketOrigin(listed, []);
  checkSocketOrigin(route({ origins: "*" }), ["origin", "https://evil"]);
  checkSocketOrigin(routeEntry("/"), ["origin", "https://evil"]);
});
