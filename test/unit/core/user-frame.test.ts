import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { callerLocation, describeLocation, userFrame } from "../../../core/user-frame.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;

test("the topmost frame that is neither Node's nor ours is the user's", () => {
  const stack = [
    "Error: no key",
    "    at JSON.parse (<anonymous>)",
    "    at node:internal/modules/run_main:1:2",
    `    at new OnnxModel (file://${ROOT}session/onnx-model.ts:10:3)`,
    "    at async Digits.setup (/srv/digits/src/app.ts:8:14)",
    "    at file:///srv/digits/other.ts:1:1",
  ].join("\n");
  const location = userFrame(stack);
  assert.deepEqual(location, { path: "/srv/digits/src/app.ts", line: 8, column: 14 });
  assert.equal(describeLocation(location, "/srv/digits"), "src/app.ts:8:14");
  assert.equal(describeLocation(location, "/elsewhere"), "/srv/digits/src/app.ts:8:14");
});

test("frames without a function, with spaces, and of syntax errors are understood", () => {
  assert.equal(userFrame("Error: x\n    at file:///srv/my%20app/app.mjs:3:9")?.path, "/srv/my app/app.mjs");
  assert.deepEqual(userFrame("file:///srv/app.mjs:1\nconst = 1;\n      ^\n\nSyntaxError: no"), {
    path: "/srv/app.mjs",
    line: 1,
    column: 1,
  });
});

test("examples lie in the repository and are still the user's; without a user's frame there is none", () => {
  assert.equal(userFrame(`Error\n    at x (${ROOT}examples/digits/app.ts:1:1)`)?.line, 1);
  assert.equal(userFrame(`Error\n    at x (${ROOT}sdk/batch.ts:1:1)\n    at node:internal/x:1:1`), undefined);
  assert.equal(describeLocation(undefined, "/"), "");
});

test("where a function was called from can be asked for later", () => {
  function made(): () => string {
    return callerLocation(made);
  }
  const location = made();
  assert.match(location(), /user-frame\.test\.ts:\d+:\d+$/);
});

test("frames of this package are skipped also where its folder's name has a space", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "with a space "));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "core"));
  cpSync(fileURLToPath(new URL("../../../core/user-frame.ts", import.meta.url)), join(folder, "core", "user-frame.ts"));
  const copy = (await import(
    pathToFileURL(join(folder, "core", "user-frame.ts")).href
  )) as typeof import("../../../core/user-frame.ts");
  const stack = `Error\n    at ours (${pathToFileURL(join(folder, "sdk", "x.ts")).href}:1:1)\n    at theirs (/app/app.ts:2:3)`;
  assert.equal(copy.userFrame(stack)?.path, "/app/app.ts");
});
