import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { installResolveHook } from "../../../sdk/resolve-hook.ts";
import { makeProject } from "../../fixture/project.ts";

const SDK = join(import.meta.dirname, "../../../sdk");
const FOLDERS = [SDK, join(SDK, "testing"), join(SDK, "../session")];

/** The code of every `@example` in the TSDoc of a file. */
function examplesOf(file: string): readonly string[] {
  return [...readFileSync(file, "utf8").matchAll(/@example\n \* ```ts\n([\s\S]*?)\n \* ```/g)].map(([, code]) =>
    (code ?? "").replaceAll(/^ \* ?/gm, ""),
  );
}

describe("every example in the documentation of the SDK runs", () => {
  for (const folder of FOLDERS) {
    for (const name of readdirSync(folder).filter((one) => one.endsWith(".ts"))) {
      for (const [index, code] of examplesOf(join(folder, name)).entries()) {
        it(`${name} ${index + 1}`, async (context) => {
          const dir = await makeProject(context, { "app.ts": code });
          context.after(installResolveHook({ bundleDir: dir, projectDir: dir }));
          assert.ok(await import(pathToFileURL(join(dir, "app.ts")).href));
        });
      }
    }
  }
});
