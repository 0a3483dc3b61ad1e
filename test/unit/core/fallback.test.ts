import assert from "node:assert/strict";
import { test } from "node:test";
import { checkFallbacks } from "../../../core/fallback.ts";
import type { DeploymentName } from "../../../core/ids.ts";
import { MOST_FALLBACKS } from "../../../core/limits.ts";
import { ProblemList } from "../../../core/problem-list.ts";

/** What is wrong with deployments that each name their fallback, some of which have `authorize`. */
function problemsOf(
  fallbacks: Readonly<Record<string, string | undefined>>,
  guarded: readonly string[] = [],
): string[] {
  const problems = new ProblemList();
  const deployments = Object.entries(fallbacks).map(([name, fallback]) => ({
    name: name as DeploymentName,
    options: { fallback: fallback as DeploymentName | undefined },
    hasAuthorize: guarded.includes(name),
  }));
  checkFallbacks(problems, deployments);
  return problems.all.map(({ path, message }) => `${path} ${message}`);
}

/** So many deployments, each the fallback of the one before. */
function row(count: number): Record<string, string | undefined> {
  const names = Array.from({ length: count }, (_, at) => `d${at}`);
  return Object.fromEntries(names.map((name, at) => [name, names[at + 1]]));
}

test("deployments may share a fallback, and a fallback may have one", () => {
  assert.deepEqual(problemsOf({ a: "c", b: "c", c: "d", d: undefined }), []);
});

test("a fallback has to be one of the deployments", () => {
  assert.deepEqual(problemsOf({ a: "x" }), ["deployments.a.fallback is x, which is not among the deployments"]);
});

test("a deployment cannot fall back to itself, nor two to each other", () => {
  assert.deepEqual(problemsOf({ a: "a" }), ["deployments.a.fallback leads back to itself: a → a"]);
  const [first, second] = problemsOf({ a: "b", b: "a", c: undefined });
  assert.match(first ?? "", /leads back to itself: a → b → a$/);
  assert.match(second ?? "", /leads back to itself: b → a → b$/);
});

test("a circle that a deployment only leads to is told where it is", () => {
  assert.deepEqual(
    problemsOf({ a: "b", b: "c", c: "b" }).map((text) => text.slice(0, text.indexOf(" leads"))),
    [
      `deployments.a.fallback is the first of more than ${MOST_FALLBACKS} fallbacks in a ro`,
      "deployments.b.fallback",
      "deployments.c.fallback",
    ],
  );
});

test("what asks nobody for leave cannot stand in for one that does, however far down", () => {
  assert.deepEqual(problemsOf({ a: "b", b: undefined }, ["a"]), [
    "deployments.a.fallback is b, which has no authorize(request), and a has one: everybody would be let in while a is down",
  ]);
  assert.match(problemsOf({ a: "b", b: "c", c: undefined }, ["a", "b"])[0] ?? "", /^deployments\.b\.fallback is c/);
  assert.deepEqual(problemsOf({ a: "b", b: undefined }, ["a", "b"]), []);
  assert.deepEqual(problemsOf({ a: "b", b: undefined }, ["b"]), []);
});

test("only so many may stand in for one another in a row", () => {
  assert.deepEqual(problemsOf(row(MOST_FALLBACKS + 1)), []);
  assert.equal(problemsOf(row(MOST_FALLBACKS + 2)).length, 1);
});
