import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { bundleApplication } from "../../../../cli/bundle.ts";
import { Evaluator } from "../../../../cli/bundle/evaluate.ts";
import { InvalidSpecError } from "../../../../core/error.ts";
import { makeProject } from "../../../fixture/project.ts";
import type { ProjectFiles } from "../../../fixture/project.ts";

const EXPORT = `import { deployment } from "thornback";
class Model { predict(input: unknown) { return input; } }
export default deployment(Model).bind();
`;

/** What is wrong → the files, and what the message says: first the place, in the user's own source. */
const BROKEN: Readonly<Record<string, readonly [files: ProjectFiles, message: RegExp]>> = {
  "a syntax error": [{ "app.ts": `${EXPORT}const x = ;\n` }, /^app\.ts:4:11: Unexpected ";"$/],
  "an import that leads nowhere": [
    { "app.ts": `${EXPORT}import "./gone.ts";` },
    /^app\.ts:4:8: Could not resolve "\.\/gone\.ts"$/,
  ],
  "a throw at import": [
    {
      "lib/deep.ts": "\nexport function load() {\n  throw new RangeError('no weights');\n}\n",
      "app.ts": `import { load } from "./lib/deep.ts";\nload();\n${EXPORT}`,
    },
    /^lib\/deep\.ts:3:9: RangeError: no weights$/,
  ],
  "a rejected top-level await": [
    { "app.ts": `${EXPORT}await Promise.reject(new Error("late"));` },
    /^app\.ts:4:22: late$/,
  ],
  "a rejection that nobody waits for": [
    {
      "app.ts": `${EXPORT}void Promise.reject(new Error("unheard"));\nawait new Promise((resolve) => setTimeout(resolve, 5_000));`,
    },
    /^app\.ts:4:21: unheard$/,
  ],
  "something thrown that is no error": [{ "app.ts": `${EXPORT}throw "text";` }, /app\.ts threw "text", not an Error/],
  "no default export": [
    { "app.ts": "export const x = 1;" },
    /app\.ts has no default export: export default a bound deployment/,
  ],
  "a default export that is not bound": [
    { "app.ts": 'import { deployment } from "thornback"; class M { predict() {} } export default deployment(M);' },
    /deployment without \.bind\(\)/,
  ],
  "a wrong option": [
    {
      "app.ts": `import { deployment } from "thornback";\nclass M { predict() {} }\nexport default deployment(M, { numReplicas: -1, maxOngoing: 2 }).bind();`,
    },
    /^app\.ts:3:\d+: deployment M: maxOngoing is not known here.*numReplicas must be a whole number/,
  ],
  "a name that thornback does not have": [
    { "app.ts": `import { deploymnet } from "thornback";\nexport default deploymnet();` },
    /does not provide an export named 'deploymnet'/,
  ],
  "a missing model": [
    {
      "app.ts": `${EXPORT}import { OnnxModel } from "thornback/onnx";\nexport const m = () => new OnnxModel("./gone.onnx");`,
    },
    /^app\.ts:5: model \.\/gone\.onnx does not exist: looked for gone\.onnx$/,
  ],
  "a missing file beside a module": [
    {
      "lib/x.ts": 'export const url = new URL("./gone.txt", import.meta.url);',
      "app.ts": `${EXPORT}export { url } from "./lib/x.ts";`,
    },
    /^lib\/x\.ts:1: file \.\/gone\.txt does not exist: looked for lib\/gone\.txt$/,
  ],
  "process.exit": [
    { "app.ts": `${EXPORT}function leave() {\n  process.exit(0);\n}\nleave();` },
    /^app\.ts:5:11: process\.exit\(0\) was called/,
  ],
  "a top-level await that never settles": [
    { "app.ts": `${EXPORT}await new Promise(() => {});` },
    /^app\.ts never finished: a top-level await/,
  ],
  "a process that kills itself": [
    { "app.ts": `${EXPORT}process.kill(process.pid, "SIGKILL");` },
    /^app\.ts ended the process by SIGKILL while/,
  ],
  "output without end": [
    { "app.ts": `${EXPORT}const line = "x".repeat(65_536);\nfor (;;) process.stdout.write(line);` },
    /^app\.ts:5:25: printed more than 1048576 bytes/,
  ],
  "output without end past the stream": [
    {
      "app.ts": `${EXPORT}import { spawn } from "node:child_process";\nspawn("yes", [], { stdio: "inherit" });\nawait new Promise((r) => setTimeout(r, 20_000));`,
    },
    /^app\.ts printed more than 1048576 bytes/,
  ],
};

describe("an application that cannot be deployed", () => {
  for (const [what, [files, message]] of Object.entries(BROKEN)) {
    it(`because of ${what} is refused with its cause`, async (context) => {
      const dir = await makeProject(context, files);
      await assert.rejects(bundleApplication(join(dir, "app.ts"), { cwd: dir }), (error: unknown) => {
        assert.ok(error instanceof InvalidSpecError, String(error));
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /thornback-evaluate|thornback-test|node_modules\/esbuild/);
        return true;
      });
    });
  }

  it("because it does not exist is named", async () => {
    await assert.rejects(bundleApplication("nowhere/app.ts"), /nowhere\/app\.ts does not exist/);
  });
});

describe("the evaluating process", () => {
  it("is ended when its time is over", async (context) => {
    const dir = await makeProject(context, {
      "app.mjs": "for (;;);\n//# sourceMappingURL=app.mjs.map",
      "app.mjs.map": '{"version":3,"sources":[],"mappings":""}',
    });
    const evaluator = new Evaluator({ timeoutMs: 500, outputBytes: 1_000 });
    const request = { bundleDir: dir, projectDir: dir, file: "app.ts", name: undefined, routePrefix: undefined };
    await assert.rejects(evaluator.evaluate(request, "app.ts"), /^InvalidSpecError: app\.ts was not done after 0\.5 s/);
  });

  it("takes what it started with it", async (context) => {
    const dir = await makeProject(context, {
      "app.ts": `${EXPORT}import { spawn } from "node:child_process"; import { writeFileSync } from "node:fs";
        const child = spawn("sleep", ["600"], { stdio: "inherit" });
        writeFileSync(process.env.THORNBACK_TEST_PID_FILE!, String(child.pid));`,
    });
    process.env["THORNBACK_TEST_PID_FILE"] = join(dir, "pid");
    await bundleApplication(join(dir, "app.ts"), { cwd: dir });
    delete process.env["THORNBACK_TEST_PID_FILE"];
    const pid = Number(readFileSync(join(dir, "pid"), "utf8"));
    assert.ok(!isAlive(pid), `process ${pid} is still there`);
  });
});

/** A killed process stays in the table until its parent has asked for its end; it is no longer alive. */
function isAlive(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/^\d+ \(.*\) [ZX]/.test(readFileSync(file, "utf8"));
}
