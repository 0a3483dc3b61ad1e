import assert from "node:assert/strict";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { bundleApplication } from "../../../../cli/bundle.ts";
import type { Bundle } from "../../../../cli/bundle.ts";
import { makeProject } from "../../../fixture/project.ts";
import type { ProjectFiles } from "../../../fixture/project.ts";

const EXPORT = `import { deployment } from "thornback";
  class Model { predict(input: unknown) { return input; } }
  export default deployment(Model).bind();\n`;

async function bundle(dir: string, file = "app.ts"): Promise<Bundle> {
  return bundleApplication(join(dir, file), { cwd: dir });
}

async function textOf(made: Bundle, path: string): Promise<string> {
  const file = made.files.find((one) => one.path === path) ?? assert.fail(`no ${path} in the bundle`);
  return (await file.read()).text();
}

function pathsOf(made: Bundle): readonly string[] {
  return made.files.map(({ path }) => path).filter((path) => !path.startsWith("app.mjs"));
}

/** What app.ts prints while it is evaluated: the code ran, and did the right thing. */
const WORKS: Readonly<Record<string, { readonly files: ProjectFiles; readonly prints: string }>> = {
  "enums, parameter properties and namespaces": {
    files: {
      "app.ts": `${EXPORT} enum Size { Small = 1, Large } namespace N { export const x = 3; }
        class P { constructor(readonly a: number) {} }
        console.log(Size[Size.Large], N.x, new P(4).a);`,
    },
    prints: "Large 3 4",
  },
  "standard decorators": {
    files: {
      "app.ts": `${EXPORT} function twice(f: (x: number) => number, _c: ClassMethodDecoratorContext) { return (x: number) => f(x) * 2; }
        class D { @twice run(x: number) { return x + 1; } }
        console.log(new D().run(2));`,
    },
    prints: "6",
  },
  "legacy decorators where the nearest tsconfig asks for them": {
    files: {
      "tsconfig.json": '{ "compilerOptions": { "experimentalDecorators": true } }',
      "app.ts": `${EXPORT} function seal(target: Function) { (target as any).sealed = "legacy"; }
        @seal class D {}
        console.log((D as any).sealed);`,
    },
    prints: "legacy",
  },
  "tsconfig paths and JSON imports": {
    files: {
      "tsconfig.json": '{ "compilerOptions": { "paths": { "@/*": ["./src/*"] } } }',
      "src/deep/value.ts": "export const value: number = 5;",
      "data.json": '{ "name": "json" }',
      "app.ts": `${EXPORT} import { value } from "@/deep/value"; import data from "./data.json" with { type: "json" };
        console.log(value, data.name);`,
    },
    prints: "5 json",
  },
  "a CommonJS dependency that requires a built-in module and its own folder": {
    files: {
      "node_modules/old/package.json": '{ "name": "old", "version": "1.0.0" }',
      "node_modules/old/index.js":
        'const path = require("path"); module.exports = path.basename("/a/b") + typeof __dirname;',
      "app.ts": `${EXPORT} import old from "old"; console.log(old);`,
    },
    prints: "bstring",
  },
  "a module that makes names of its own for require and __dirname": {
    files: {
      "node_modules/old/package.json": '{ "name": "old", "version": "1.0.0" }',
      "node_modules/old/index.js": 'module.exports = require("os").EOL.length + __filename.slice(-7);',
      "app.ts": `${EXPORT} import { createRequire } from "node:module"; import old from "old";
        const require = createRequire(import.meta.url); const __dirname = "mine";
        console.log(require("path").sep, __dirname, old);`,
    },
    prints: "/ mine 1app.mjs",
  },
  "two classes of the same name in two modules": {
    files: {
      "a.ts": "export class Model { run() {} }",
      "app.ts": `import { deployment } from "thornback"; import { Model as Other } from "./a.ts";
        class Model { constructor(_o: unknown) {} predict(x: unknown) { return x; } }
        console.log(Model.name, Other.name);
        export default deployment(Model).bind(deployment(Other as any, { name: "other" }).bind() as any);`,
    },
    prints: "Model Model",
  },
  "a file read at the top of a module": {
    files: {
      "lib/words.txt": "hello from a file",
      "lib/words.ts": `import { readFileSync } from "node:fs";
        export const words = readFileSync(new URL("./words.txt", import.meta.url), "utf8");`,
      "app.ts": `${EXPORT} import { words } from "./lib/words.ts"; console.log(words);`,
    },
    prints: "hello from a file",
  },
  "an error class of the runtime's own copy": {
    files: {
      "app.ts": `${EXPORT} import { InvalidSpecError, secret } from "thornback";
        try { secret("1"); } catch (error) { console.log(error instanceof InvalidSpecError); }`,
    },
    prints: "true",
  },
};

describe("user code", () => {
  for (const [what, { files, prints }] of Object.entries(WORKS)) {
    it(`may hold ${what}`, async (context) => {
      const made = await bundle(await makeProject(context, files));
      assert.equal(made.output.trim(), prints);
    });
  }

  for (const manager of ["npm", "pnpm"]) {
    it(`may import a workspace package as ${manager} links it`, async (context) => {
      const store = manager === "pnpm" ? "node_modules/.pnpm/dep@1.0.0/node_modules/dep" : "node_modules/dep";
      const dir = await makeProject(context, {
        [`${store}/package.json`]: '{ "name": "dep", "version": "1.0.0", "type": "module" }',
        [`${store}/index.js`]: 'export const dep = "dep";',
        "packages/lib/package.json": '{ "name": "@ws/lib", "exports": "./index.ts", "type": "module" }',
        "packages/lib/index.ts": `import { dep } from "dep"; enum E { A = 7 }; export const lib: string = dep + E.A;
          export const file = new URL("./lib.txt", import.meta.url);`,
        "packages/lib/lib.txt": "from the library",
        "packages/app/app.ts": `${EXPORT} import { file, lib } from "@ws/lib"; import { readFileSync } from "node:fs";
          console.log(lib, readFileSync(file, "utf8"));`,
      });
      if (manager === "pnpm") {
        await mkdir(join(dir, "packages/lib/node_modules"), { recursive: true });
        await symlink(join(dir, store), join(dir, "packages/lib/node_modules/dep"));
      }
      await mkdir(join(dir, "packages/app/node_modules/@ws"), { recursive: true });
      await symlink("../../../lib", join(dir, "packages/app/node_modules/@ws/lib"));
      const made = await bundle(dir, "packages/app/app.ts");
      assert.equal(made.output.trim(), "dep7 from the library");
      assert.match(pathsOf(made)[0] ?? "", /^assets\/[0-9a-f]{12}-lib\.txt$/);
    });
  }
});

describe("native packages", () => {
  const native = (name: string, more: ProjectFiles): ProjectFiles => ({
    [`node_modules/${name}/package.json`]: `{ "name": "${name}", "version": "1.2.3", "main": "index.js" }`,
    [`node_modules/${name}/index.js`]: `exports.value = "${name} was not bundled";`,
    ...more,
  });

  const KINDS: Readonly<Record<string, ProjectFiles>> = {
    "a binding.gyp": native("gyp", { "node_modules/gyp/binding.gyp": "{}" }),
    prebuilds: native("pre", { "node_modules/pre/prebuilds/linux-x64/pre.node": "" }),
    "compiled code beside its entry": native("compiled", { "node_modules/compiled/compiled.node": "" }),
    "packages per platform": native("platforms", {
      "node_modules/platforms/package.json":
        '{ "name": "platforms", "version": "1.2.3", "optionalDependencies": { "@platforms/linux-x64": "1.2.3" } }',
    }),
    "compiled code somewhere it is only found by its import": native("late", {
      "node_modules/late/index.js":
        'exports.value = "late was not bundled"; exports.load = () => require("./deep/er/x.node");',
      "node_modules/late/deep/er/x.node": "",
    }),
  };
  for (const [what, files] of Object.entries(KINDS)) {
    it(`with ${what} stay outside and are listed with their version`, async (context) => {
      const name = /node_modules\/(\w+)/.exec(Object.keys(files)[0] ?? "")?.[1] ?? "";
      const app = `${EXPORT} import { value } from "${name}"; console.log(value);`;
      const made = await bundle(await makeProject(context, { ...files, "app.ts": app }));
      assert.equal(made.output.trim(), `${name} was not bundled`);
      assert.deepEqual(made.applications[0]?.spec.nativePackages, [{ name, version: "1.2.3" }]);
      assert.doesNotMatch(await textOf(made, "app.mjs"), /was not bundled/);
      assert.equal(await textOf(made, "native-packages.json"), `{"${name}":"1.2.3"}`);
    });
  }

  it("may be declared where nothing gives them away", async (context) => {
    const app = `import { application, deployment } from "thornback"; import { value } from "plain"; console.log(value);
      class Model { predict(input: unknown) { return input; } }
      export default application(deployment(Model).bind(), { name: "x", nativePackages: ["plain"] });`;
    const made = await bundle(await makeProject(context, { ...native("plain", {}), "app.ts": app }));
    assert.deepEqual(made.applications[0]?.spec.nativePackages, [{ name: "plain", version: "1.2.3" }]);
    assert.doesNotMatch(await textOf(made, "app.mjs"), /was not bundled/);
  });

  it("a pure package is bundled", async (context) => {
    const app = `${EXPORT} import { value } from "pure"; console.log(value);`;
    const made = await bundle(await makeProject(context, { ...native("pure", {}), "app.ts": app }));
    assert.match(await textOf(made, "app.mjs"), /pure was not bundled/);
    assert.deepEqual(made.applications[0]?.spec.nativePackages, []);
  });
});

describe("assets", () => {
  const model = (path: string, imports = "{ OnnxModel }", name = "OnnxModel"): string => `${EXPORT}
    import ${imports} from "thornback/onnx"; export const make = () => new ${name}("${path}");`;

  for (const [imports, name] of [
    ["{ OnnxModel }", "OnnxModel"],
    ["{ OnnxModel as M$1 }", "M$1"],
    ["* as onnx", "onnx.OnnxModel"],
  ]) {
    it(`are found in new ${name}(…)`, async (context) => {
      const dir = await makeProject(context, { "app.ts": model("./m/a.onnx", imports, name), "m/a.onnx": "x" });
      assert.deepEqual(pathsOf(await bundle(dir)), ["m/a.onnx"]);
    });
  }

  it("from outside the folder get a name of their own, and the code the same", async (context) => {
    const dir = await makeProject(context, { "app/app.ts": model("../models/a.onnx"), "models/a.onnx": "x" });
    const made = await bundle(dir, "app/app.ts");
    const [path] = pathsOf(made);
    assert.match(path ?? "", /^assets\/[0-9a-f]{12}-a\.onnx$/);
    assert.ok((await textOf(made, "app.mjs")).includes(`"./${path}"`));
  });

  it("named by URL or absolute path are left alone", async (context) => {
    const made = await bundle(await makeProject(context, { "app.ts": model("/models/huge.onnx") }));
    assert.deepEqual(pathsOf(made), []);
  });

  const declared = (pattern: string): string => `import { application, deployment } from "thornback";
    class Model { predict(input: unknown) { return input; } }
    export default application(deployment(Model).bind(), { name: "x", assets: ["${pattern}"] });`;

  it("may be declared by pattern", async (context) => {
    const files = { "app.ts": declared("data/**/*.txt"), "data/a.txt": "", "data/b/c.txt": "", "data/d.bin": "" };
    assert.deepEqual(pathsOf(await bundle(await makeProject(context, files))), ["data/a.txt", "data/b/c.txt"]);
  });

  for (const pattern of ["../secret.txt", "/etc/passwd", "a/../../b"]) {
    it(`may not be declared as ${pattern}`, async (context) => {
      const dir = await makeProject(context, { "app.ts": declared(pattern) });
      await assert.rejects(bundle(dir), /leaves the folder of app\.ts/);
    });
  }

  it("that are declared and match nothing are refused", async (context) => {
    const dir = await makeProject(context, { "app.ts": declared("*.bin") });
    await assert.rejects(bundle(dir), /asset \*\.bin matches no file/);
  });
});
