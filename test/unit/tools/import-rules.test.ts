import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { cruise, type ICruiseResult } from "dependency-cruiser";
import extractDepcruiseOptions from "dependency-cruiser/config-utl/extract-depcruise-options";

const repository = fileURLToPath(new URL("../../../", import.meta.url));
const options = await extractDepcruiseOptions(join(repository, ".dependency-cruiser.js"));
const folders: string[] = [];
const before = process.cwd();

after(() => {
  process.chdir(before);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Names of the rules that a repository of these files breaks, as `file: rule`. */
async function broken(files: Readonly<Record<string, string>>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "thornback-imports-"));
  folders.push(folder);
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "tsconfig.json"), '{ "compilerOptions": { "module": "nodenext" } }');
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "dependencies": { "pino": "1", "esbuild": "1" } }');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  process.chdir(folder);
  const { output } = await cruise(Object.keys(files), { ...options, baseDir: folder, validate: true });
  const { modules, summary } = output as ICruiseResult;
  assert.ok(modules.length >= Object.keys(files).length, "every file was seen");
  return summary.violations.map(({ from, rule }) => `${from}: ${rule.name}`).sort();
}

const CORE = { "core/spec.ts": "export type Spec = string;" };

describe("import rules", () => {
  it("let a component import what it may", async () => {
    const found = await broken({
      ...CORE,
      "proto/frame.ts": 'export type { Spec } from "../core/spec.ts";',
      "routing/router.ts": 'import type { Spec } from "../proto/frame.ts"; export type A = Spec;',
      "worker/main.ts":
        'import pino from "pino"; import type { A } from "../routing/router.ts"; export const b = pino as unknown as A;',
    });
    assert.deepEqual(found, []);
  });

  it("refuse an import across components, also of a type", async () => {
    const found = await broken({
      ...CORE,
      "worker/worker.ts": "export type Worker = 1;",
      "controller/controller.ts": 'import type { Worker } from "../worker/worker.ts"; export type A = Worker;',
      "core/clock.ts": 'import type { Worker } from "../worker/worker.ts"; export type B = Worker;',
    });
    assert.deepEqual(found, ["controller/controller.ts: controller-imports", "core/clock.ts: core-imports"]);
  });

  it("refuse a decision that reaches effects, Node or a logger, and another component's decisions", async () => {
    const found = await broken({
      "core/log.ts": "export type Logger = 1;",
      "routing/router.ts": "export type Router = 1;",
      "routing/decide/retry.ts": "export type Retry = 1;",
      "routing/decide/pick.ts": [
        'import "node:crypto";',
        'import type { Logger } from "../../core/log.ts";',
        'import type { Router } from "../router.ts";',
        'import type { Retry } from "./retry.ts";',
        "export type A = Logger | Router | Retry;",
      ].join("\n"),
    });
    assert.deepEqual(found, Array(3).fill("routing/decide/pick.ts: decisions-are-pure"));
  });

  it("refuse a package outside its owner's folder, and packages and I/O in core", async () => {
    const found = await broken({
      "controller/controller.ts": 'import pino from "pino"; export const a = pino;',
      "core/clock.ts": 'import { connect } from "node:net"; export const b = connect;',
    });
    assert.deepEqual(found, ["controller/controller.ts: owner-of-pino", "core/clock.ts: core-is-pure"]);
  });

  it("refuse cycles of types", async () => {
    const found = await broken({
      "core/a.ts": 'import type { B } from "./b.ts"; export type A = B | 1;',
      "core/b.ts": 'import type { A } from "./a.ts"; export type B = A | 2;',
    });
    assert.deepEqual(found, ["core/a.ts: no-cycle"]);
  });

  it("refuse what makes the SDK heavy, or its client unfit for a browser, at any depth", async () => {
    const found = await broken({
      "session/onnx-model.ts": "export const model = 1;",
      "sdk/onnx.ts": 'export { model } from "../session/onnx-model.ts";',
      "sdk/index.ts": 'export { model } from "./onnx.ts";',
      "core/file.ts": 'import { readFileSync } from "node:os"; export const read = readFileSync;',
      "sdk/client.ts": 'export { read } from "../core/file.ts";',
    });
    assert.deepEqual(found, ["sdk/client.ts: client-runs-in-browsers", "sdk/index.ts: sdk-index-is-light"]);
  });

  it("refuse shipped code that needs tests or tools, and examples that reach inside", async () => {
    const found = await broken({
      ...CORE,
      "test/fake/clock.ts": "export const clock = 1;",
      "worker/worker.ts": 'import { clock } from "../test/fake/clock.ts"; export const a = clock;',
      "examples/hello/app.ts": 'import type { Spec } from "../../core/spec.ts"; export type A = Spec;',
    });
    assert.deepEqual(found, [
      "examples/hello/app.ts: examples-use-the-published-name",
      "worker/worker.ts: nobody-imports-what-is-not-shipped",
    ]);
  });
});
