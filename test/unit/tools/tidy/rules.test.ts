import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RULES } from "../../../../tools/tidy/rules.ts";
import { SourceTree } from "../../../../tools/tidy/source-tree.ts";

/** What one rule says of these files: `path:line`. */
function findings(ruleName: string, files: Readonly<Record<string, string>>): string[] {
  const rule = RULES.find(({ name }) => name === ruleName);
  assert.ok(rule !== undefined, `there is a rule ${ruleName}`);
  const tree = new SourceTree(new Map(Object.entries(files)));
  return rule.check(tree).map(({ path, line }) => `${path}:${line}`);
}

const DOCUMENTED = "/** What it is for. */\n";

describe("tidy", () => {
  it("asks for a unit test of every decision, and of no file of types alone", () => {
    const files = {
      "routing/decide/pick.ts": "export function pick() {}",
      "routing/decide/retry.ts": "export function retry() {}",
      "routing/decide/outcome.ts": "export type Outcome = string;",
      "test/unit/routing/decide/pick.test.ts": "",
    };
    assert.deepEqual(findings("mirrored-tests", files), ["routing/decide/retry.ts:1"]);
  });

  it("finds a core file that fewer than two components need, also through another core file", () => {
    const files = {
      "core/clock.ts": "",
      "core/wall.ts": 'import { x } from "./clock.ts";',
      "core/alone.ts": "",
      "proxy/a.ts": 'import { x } from "../core/wall.ts";\nimport type { y } from "../core/alone.ts";',
      "worker/replica/b.ts": 'const { x } = await import("../../core/wall.ts");',
      "test/unit/core/alone.test.ts": 'import { x } from "../../../core/alone.ts";',
    };
    assert.deepEqual(findings("core-importers", files), ["core/alone.ts:1"]);
  });

  it("asks for TSDoc on exports of shipped files, once per overloaded name", () => {
    const code = [
      `${DOCUMENTED}export function a(x: string): string;`,
      "export function a(x: number): number;",
      "export function a(x: unknown): unknown { return x; }",
      "// A comment for maintainers does not show on hover.",
      "export const b = 1;",
      "const c = 2;",
      'export { c as d } from "./other.ts";',
    ].join("\n");
    assert.deepEqual(findings("export-docs", { "core/a.ts": code, "test/unit/a.test.ts": code }), ["core/a.ts:6"]);
  });

  it("refuses names that say nothing, names that are not kebab-case, and barrels", () => {
    const names = [
      "core/utils.ts",
      "worker/shared/x.ts",
      "proxy/NodeFront.ts",
      "routing/index.ts",
      "sdk/index.ts",
      "cli/a-b.ts",
    ];
    const files = Object.fromEntries(names.map((name) => [name, ""]));
    const expected = ["core/utils.ts:1", "worker/shared/x.ts:1", "proxy/NodeFront.ts:1", "routing/index.ts:1"];
    assert.deepEqual(findings("file-names", files), expected);
  });

  it("refuses other systems' words and names of durations without a unit", () => {
    const code = [
      "class ReplicaManager {}",
      "type Options = { readonly requestTimeout: number; readonly requestTimeoutMs: number };",
      "interface IReplicaStore {}",
      "interface InputReader {}",
      "const inFlight = 1;",
    ].join("\n");
    assert.deepEqual(findings("words", { "worker/a.ts": code }), ["worker/a.ts:1", "worker/a.ts:2", "worker/a.ts:3"]);
  });

  it("refuses paths of one machine, but for those that tests make up, and notes of things to do", () => {
    const code = ['const file = "/home/ada/model.onnx";', "// TODO: later", 'const fine = "/homeward";'].join("\n");
    const files = { "cli/a.ts": code, "test/unit/a.test.ts": code };
    assert.deepEqual(findings("words", files), ["cli/a.ts:1", "cli/a.ts:2", "test/unit/a.test.ts:2"]);
  });

  it("refuses classes that are too long or have too many methods", () => {
    const long = `class Long {\n${"  // line\n".repeat(300)}}`;
    const wide = `class Wide {\n${Array.from({ length: 21 }, (_, index) => `  m${index}() {}`).join("\n")}\n}`;
    const fields = `class Fields {\n${Array.from({ length: 30 }, (_, index) => `  f${index} = 1;`).join("\n")}\n}`;
    assert.deepEqual(findings("class-size", { "core/a.ts": long, "core/b.ts": wide, "core/c.ts": fields }), [
      "core/a.ts:1",
      "core/b.ts:1",
    ]);
  });

  it("finds sleeps in tests, and leaves deadlines alone", () => {
    const code = [
      'import { setTimeout as sleep } from "node:timers/promises";',
      "await new Promise((resolve) => setTimeout(resolve, 50));",
      "await new Promise((resolve) => { setTimeout(resolve, 50); });",
      'await new Promise((resolve, reject) => { once(x, "y").then(resolve); setTimeout(reject, 50); });',
    ].join("\n");
    const path = "test/integration/a.test.ts";
    assert.deepEqual(findings("test-waits", { [path]: code }), [`${path}:1`, `${path}:2`, `${path}:3`]);
  });

  it("keeps examples inside their own folder", () => {
    const code = 'import "./own.ts";\nimport "thornback";\nimport "../../sdk/index.ts";\nimport "../digits/app.ts";';
    assert.deepEqual(findings("example-imports", { "examples/hello/app.ts": code }).length, 2);
  });

  it("asks why a rule is switched off", () => {
    const code = "// eslint-disable-next-line no-x\n// oxlint-disable-next-line no-x -- the reason is here\n";
    assert.deepEqual(findings("suppressions", { "core/a.ts": code }), ["core/a.ts:1"]);
  });

  it("finds links and names of files in documents that lead nowhere", () => {
    const page =
      "See [a](../README.md), [b](gone.md#x), [c](https://x.y), `core/clock.ts`, `core/gone.ts` and `app.ts`.\n```ts\n[x](y)\n```";
    const files = { "docs/a.md": page, "README.md": "", "core/clock.ts": "" };
    assert.deepEqual(findings("doc-links", files), ["docs/a.md:1", "docs/a.md:1"]);
  });

  it("excuses a line whose comment names the rule and a reason", () => {
    const code = "// tidy-allow words: the wire names it so\nx\n\n// tidy-allow words:\ny";
    const tree = new SourceTree(new Map([["core/a.ts", code]]));
    assert.equal(tree.isAllowed("core/a.ts", 2, "words"), true);
    assert.equal(tree.isAllowed("core/a.ts", 2, "export-docs"), false);
    assert.equal(tree.isAllowed("core/a.ts", 5, "words"), false);
  });
});
