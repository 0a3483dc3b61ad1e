import assert from "node:assert/strict";
import { test } from "node:test";
import { headerOf } from "../../../proto/header-of.ts";

test("a header is found however its name is written", () => {
  assert.equal(headerOf(["a", "1", "Content-Type", "x"], "content-type"), "x");
  assert.equal(headerOf(["content-typo", "x"], "content-type"), undefined);
});
