import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteEntry } from "../../../../core/table.ts";
import { matchRoute, type RouteIndex } from "../../../../proxy/decide/match-route.ts";
import { routeEntry } from "../../../fake/table.ts";

function index(...prefixes: readonly string[]): RouteIndex<RouteEntry> {
  const routes = new Map(prefixes.map((prefix) => [prefix, routeEntry(prefix)]));
  return { routes, mostPrefixSegments: Math.max(...prefixes.map((prefix) => prefix.split("/").length - 1)) };
}

function match(target: string, routes: RouteIndex<RouteEntry>): string {
  const decision = matchRoute(target, routes);
  return decision.kind === "match" ? `${decision.route.prefix} ${decision.path}` : decision.reason;
}

const ROUTES = index("/a", "/a/b", "/größe", "/x y");

for (const [target, expected] of [
  ["/a", "/a /"],
  ["/a/", "/a /"],
  ["/a?q=/a/b", "/a /?q=/a/b"],
  ["/a/c/d?x", "/a /c/d?x"],
  ["/a/b", "/a/b /"],
  ["/a/b/c/d/e", "/a/b /c/d/e"],
  ["/a/bc", "/a /bc"],
  ["/ab", "noRoute"],
  ["/", "noRoute"],
  ["/b/a", "noRoute"],
  ["//a", "noRoute"],
  ["/%61/%62/c%20d", "/a/b /c%20d"],
  ["/gr%C3%B6%C3%9Fe/1", "/größe /1"],
  ["/x%20y", "/x y /"],
  ["/a%2Fb", "noRoute"],
  ["/a/%2Fetc", "/a /%2Fetc"],
  ["/a/%252e%252e", "/a /%252e%252e"],
] as const) {
  test(`${target} → ${expected}`, () => assert.equal(match(target, ROUTES), expected));
}

for (const [target, reason] of [
  ["/..%2f..%2fetc/passwd%00", "dotSegment"],
  ["/a/../b", "dotSegment"],
  ["/a/./b", "dotSegment"],
  ["/a/%2e%2E/b", "dotSegment"],
  ["/a/x%2f%2e.", "dotSegment"],
  ["/a/%00", "nulOrBackslash"],
  ["/a\\b", "nulOrBackslash"],
  ["/a/%5c..%5c", "nulOrBackslash"],
  ["/a/%zz", "badEncoding"],
  ["/a/%ff", "badEncoding"],
  ["*", "notAPath"],
  ["", "notAPath"],
] as const) {
  test(`${target === "" ? "an empty path" : target} is refused: ${reason}`, () =>
    assert.equal(match(target, ROUTES), reason));
}

test("dots in a query, or within a name, are data", () => {
  assert.equal(match("/a/b..c/...?../..", ROUTES), "/a /b..c/...?../..");
});

test("the root prefix takes whatever no other does, whole", () => {
  const routes = index("/", "/a");
  assert.equal(match("/ab/c?d", routes), "/ /ab/c?d");
  assert.equal(match("//x", routes), "/ //x");
  assert.equal(match("/", routes), "/ /");
});

test("a path that holds an encoding is matched as the plain one it stands for", () => {
  const routes = index("/a", "/a/b", "/a/b/c/d", "/abc");
  for (const plain of [
    "/a",
    "/a/",
    "/a/b",
    "/a/bc/d",
    "/a/b/c/d",
    "/a/b/c/d/",
    "/a/b/c/de",
    "/abc/a",
    "/ab",
    "/a/b?x",
  ]) {
    const decision = matchRoute(plain, routes);
    const encoded = matchRoute(plain.replace("a", "%61"), routes);
    assert.deepEqual(encoded, decision, plain);
  }
});
