import assert from "node:assert/strict";
import { test } from "node:test";
import { platformOf } from "../../../cli/platform.ts";

test("processes share a port on Linux, and on no other system we know", () => {
  assert.equal(platformOf("linux").sharesPorts, true);
  for (const name of ["darwin", "win32", "freebsd"]) assert.equal(platformOf(name).sharesPorts, false);
});
