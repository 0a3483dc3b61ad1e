import assert from "node:assert/strict";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { TestContext } from "node:test";
import { bundleApplication } from "../../../cli/bundle.ts";
import type { Bundle } from "../../../cli/bundle.ts";
import { makeProject, useTemporaryFolder, writeFiles } from "../../fixture/project.ts";
import type { ProjectFiles } from "../../fixture/project.ts";

const BASIC = join(import.meta.dirname, "../../fixture/app/basic");

const SPLIT: ProjectFiles = {
  "app.ts": `
    import { deployment, secret } from "thornback";
    import { Gateway } from "./gateway.ts";
    import { Model } from "./model.ts";
    const model = deployment(Model, { numReplicas: 2, env: { KEY: secret("API_KEY"), MODE: "fast" } });
    export default deployment(Gateway).bind(model.bind(), 3);`,
  "gateway.ts": `export class Gateway { constructor(..._args: unknown[]) {} predict(input: unknown) { return input; } }`,
  "model.ts": `import { scale } from "./scale.ts"; export class Model { run(x: number) { return x * scale; } }`,
  "scale.ts": `export const scale = 2;`,
};

async function bundle(dir: string, options = {}): Promise<Bundle> {
  return bundleApplication(join(dir, "app.ts"), { cwd: dir, ...options });
}

function versionsOf({ applications }: Bundle): Readonly<Record<string, string>> {
  return Object.fromEntries(
    applications.flatMap(({ spec }) => spec.deployments.map(({ name, version }) => [name, version])),
  );
}

/** Bundles a project before and after a change, and tells which deployments got another version. */
async function changedBy(context: TestContext, files: ProjectFiles, change: ProjectFiles): Promise<readonly string[]> {
  const dir = await makeProject(context, files);
  const before = versionsOf(await bundle(dir));
  await writeFiles(dir, change);
  const after = versionsOf(await bundle(dir));
  return Object.keys(after).filter((name) => after[name] !== before[name]);
}

describe("bundleApplication", () => {
  it("says which deployments ask for leave, in the class or a field of it", async (context) => {
    const dir = await makeProject(context, {
      "app.ts": `
        import { deployment } from "thornback";
        class Open { predict(input: unknown) { return input; } }
        class Asking extends Open { authorize() { return true; } }
        class Field extends Open { authorize = () => true; }
        export default deployment(Asking).bind(deployment(Field).bind(), deployment(Open).bind());`,
    });
    const [made] = (await bundle(dir)).applications;
    assert.deepEqual(
      made?.spec.deployments.map(({ name, hasAuthorize }) => [name, hasAuthorize]),
      [
        ["Asking", true],
        ["Field", true],
        ["Open", undefined],
      ],
    );
  });

  it("makes a specification, a manifest and files that belong together", async () => {
    const made = await bundle(BASIC);
    const { spec } = made.applications[0] ?? assert.fail();
    assert.deepEqual(
      [spec.name, spec.routePrefix, spec.ingress, spec.ingressKind],
      ["basic", "/", "Gateway", "predict"],
    );
    assert.deepEqual(
      spec.deployments.map(({ name }) => name),
      ["Gateway", "Classifier"],
    );
    assert.equal(spec.bundle, made.manifest.digest);
    assert.deepEqual(
      made.manifest.value.files.map(({ path }) => path),
      ["app.mjs", "app.mjs.map", "labels.json", "model.onnx"],
    );
    for (const file of made.files) assert.equal((await file.read()).size, file.bytes);
    assert.ok(made.sources.includes(join(BASIC, "scale.ts")) && made.sources.includes(join(BASIC, "model.onnx")));
  });

  it("gives the same versions and file contents in another folder, and leaves nothing behind", async (context) => {
    const dir = await makeProject(context, {});
    await cp(BASIC, join(dir, "elsewhere"), { recursive: true });
    const temporary = await useTemporaryFolder(context, dir);
    const [here, there] = [await bundle(BASIC), await bundle(join(dir, "elsewhere"))];
    assert.deepEqual(versionsOf(there), versionsOf(here));
    assert.deepEqual(there.manifest.value.files, here.manifest.value.files);
    assert.deepEqual(await readdir(temporary), []);
  });

  it("applies name and prefix of the deploy", async () => {
    const { spec } = (await bundle(BASIC, { name: "other", routePrefix: "/other" })).applications[0] ?? assert.fail();
    assert.deepEqual([spec.name, spec.routePrefix], ["other", "/other"]);
  });

  it("lists the secrets that deployments ask for, and carries none of their values", async (context) => {
    const made = await bundle(await makeProject(context, SPLIT));
    const [application] = made.applications;
    assert.deepEqual(application?.secretNames, ["API_KEY"]);
    assert.deepEqual(application?.spec.deployments[1]?.options.env, { KEY: { secret: "API_KEY" }, MODE: "fast" });
  });

  it("keeps what user code prints apart from the result", async (context) => {
    const noise = 'console.log(JSON.stringify({ kind: "evaluated", applications: [] }));';
    const made = await bundle(await makeProject(context, { ...SPLIT, "gateway.ts": `${noise}${SPLIT["gateway.ts"]}` }));
    assert.equal(made.applications.length, 1);
    assert.match(made.output, /"kind":"evaluated"/);
  });

  it("makes one bundle of several applications", async (context) => {
    const made = await bundle(
      await makeProject(context, {
        "app.ts": `import { application, deployment } from "thornback";
          class Echo { predict(x: unknown) { return x; } }
          const make = (name: string) => application(deployment(Echo).bind(name), { name, routePrefix: "/" + name });
          export default [make("a"), make("b")];`,
      }),
    );
    assert.deepEqual(
      made.applications.map(({ spec }) => [spec.name, spec.routePrefix]),
      [
        ["a", "/a"],
        ["b", "/b"],
      ],
    );
    assert.equal(made.applications[0]?.spec.bundle, made.applications[1]?.spec.bundle);
  });
});

describe("a deployment's version", () => {
  const app = SPLIT["app.ts"] ?? "";
  const changes: readonly (readonly [what: string, change: ProjectFiles, expected: readonly string[]])[] = [
    [
      "a module that only the model reaches changes the model alone",
      { "scale.ts": "export const scale = 3;" },
      ["Model"],
    ],
    [
      "the ingress's own module changes the ingress alone",
      { "gateway.ts": `${SPLIT["gateway.ts"]}\n// changed` },
      ["Gateway"],
    ],
    ["a replica count changes nothing", { "app.ts": app.replace("numReplicas: 2", "numReplicas: 3") }, []],
    ["an environment variable changes who has it", { "app.ts": app.replace('"fast"', '"slow"') }, ["Model"]],
    ["an argument changes who is given it", { "app.ts": app.replace(", 3)", ", 4)") }, ["Gateway"]],
    [
      "an argument that cannot be compared makes every module count",
      { "app.ts": app.replace(", 3)", ", () => 3)"), "scale.ts": "export const scale = 3;" },
      ["Gateway", "Model"],
    ],
  ];
  for (const [what, change, expected] of changes) {
    it(what, async (context) => assert.deepEqual(await changedBy(context, SPLIT, change), expected));
  }

  it("changes with the content of an asset", async (context) => {
    const files = {
      "app.ts": `import { deployment } from "thornback"; import { OnnxModel } from "thornback/onnx";
        class Model { model = new OnnxModel("./m.onnx"); predict(x: unknown) { return x; } }
        export default deployment(Model).bind();`,
      "m.onnx": "one",
    };
    assert.deepEqual(await changedBy(context, files, { "m.onnx": "two" }), ["Model"]);
  });

  it("differs for a fallback when its function changes, or the schemas that it shares with what it stands in for", async (context) => {
    const files = {
      "app.ts": `
        import { deployment } from "thornback";
        import { Model } from "./model.ts";
        import { later } from "./later.ts";
        import { Other } from "./other.ts";
        export default deployment(Other).bind(deployment(Model, { fallback: later }).bind());`,
      "model.ts": `export class Model { static input = undefined; predict(input: string) { return input; } }`,
      "later.ts": `export const later = () => "later";`,
      "other.ts": `export class Other { constructor(..._args: unknown[]) {} predict(input: unknown) { return input; } }`,
    };
    const later = `export const later = () => "tomorrow";`;
    assert.deepEqual(await changedBy(context, files, { "later.ts": later }), ["Model-fallback"]);
    const model = files["model.ts"].replace("undefined", "null");
    assert.deepEqual(await changedBy(context, files, { "model.ts": model }), ["Model", "Model-fallback"]);
    // Only routers read which one it is.
    const without = files["app.ts"].replace("fallback: later", "");
    assert.deepEqual(await changedBy(context, files, { "app.ts": without }), []);
  });
});
