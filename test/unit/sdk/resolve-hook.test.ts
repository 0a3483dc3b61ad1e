import assert from "node:assert/strict";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { deployment } from "../../../sdk/index.ts";
import { installResolveHook, isBareSpecifier, packageNameOf } from "../../../sdk/resolve-hook.ts";
import { makeProject } from "../../fixture/project.ts";

const importFrom = async (dir: string): Promise<Record<string, unknown>> =>
  (await import(pathToFileURL(join(dir, "app.mjs")).href)) as Record<string, unknown>;

describe("the resolve hook", () => {
  it("gives a bundle the runtime's own copy of thornback", async (context) => {
    const dir = await makeProject(context, {
      "app.mjs": 'export { deployment } from "thornback"; export { client } from "thornback/client";',
    });
    context.after(installResolveHook({ bundleDir: dir, projectDir: dir }));
    const namespace = await importFrom(dir);
    assert.equal(namespace["deployment"], deployment);
    assert.equal(typeof namespace["client"], "function");
  });

  it("finds packages in the project's folder, for import and require, also through a linked bundle folder", async (context) => {
    const dir = await makeProject(context, {
      "project/node_modules/native/package.json":
        '{ "name": "native", "exports": { "import": "./i.mjs", "require": "./r.cjs" } }',
      "project/node_modules/native/i.mjs": 'export const kind = "imported";',
      "project/node_modules/native/r.cjs": 'exports.kind = "required";',
      "bundle/app.mjs": `import { createRequire } from "node:module"; export { kind } from "native";
        export const required = createRequire(import.meta.url)("native").kind;`,
    });
    await symlink(join(dir, "bundle"), join(dir, "linked"));
    context.after(installResolveHook({ bundleDir: join(dir, "linked"), projectDir: join(dir, "project") }));
    const { kind, required } = await importFrom(join(dir, "linked"));
    assert.deepEqual([kind, required], ["imported", "required"]);
  });

  it("says which package is missing, in which version, and how to install it", async (context) => {
    const dir = await makeProject(context, {
      "app.mjs": 'import "not-installed-anywhere/sub";',
      "native-packages.json": '{ "not-installed-anywhere": "1.2.3" }',
    });
    context.after(installResolveHook({ bundleDir: dir, projectDir: dir }));
    await assert.rejects(
      importFrom(dir),
      /not-installed-anywhere@1\.2\.3 is not installed.*npm install not-installed-anywhere@1\.2\.3/,
    );
  });

  it("leaves the imports of every other module alone", async (context) => {
    const bundle = await makeProject(context, { "app.mjs": "" });
    const other = await makeProject(context, { "app.mjs": 'import "thornback";' });
    context.after(installResolveHook({ bundleDir: bundle, projectDir: bundle }));
    await assert.rejects(importFrom(other), /Cannot find package 'thornback'/);
  });
});

it("knows the specifiers of packages and their names", () => {
  for (const specifier of ["a", "@a/b", "a/b/c.js"]) assert.ok(isBareSpecifier(specifier), specifier);
  for (const specifier of ["./a", "../a", "/a", "#a", "node:fs", "fs", "file:///a", "https://a/b"]) {
    assert.ok(!isBareSpecifier(specifier), specifier);
  }
  assert.deepEqual(["a/b", "@a/b/c"].map(packageNameOf), ["a", "@a/b"]);
});
