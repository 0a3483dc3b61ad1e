import assert from "node:assert/strict";
import { test } from "node:test";
import { isModelId } from "../../../core/model-id.ts";

test("names with a version or an organization are ids", () => {
  for (const id of ["a", "7b", "digits", "team/digits:v2", "meta-llama/Llama-3.1-8B@main", "a".repeat(128)])
    assert.ok(isModelId(id), id);
});

test("nothing that leads elsewhere in a path or a URL is one", () => {
  for (const id of [
    "",
    ".",
    "..",
    "../a",
    "a/..",
    "a/../b",
    "/a",
    "a/",
    "a//b",
    "-a",
    "a?b",
    "a#b",
    "a%2e",
    "a\\b",
    "a\n",
    "é",
  ])
    assert.ok(!isModelId(id), id);
  assert.ok(!isModelId("a".repeat(129)));
});
