import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { spawnServe, type RunningServe } from "../integration/cluster.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const examples = readdirSync(join(root, "examples")).sort();
const started: RunningServe[] = [];
const folders: string[] = [];

after(async () => {
  for (const { child, exited } of started) {
    child.kill("SIGKILL");
    await exited;
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

/** Runs an example's check against a URL, as its README says: a plain program of Node's. */
async function check(example: string, url: string): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [`examples/${example}/check.ts`, url], { cwd: root });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}

describe("examples", () => {
  for (const example of examples) {
    it(`${example} runs as its README says, and answers as its check expects`, { timeout: 90_000 }, async () => {
      const dataDir = mkdtempSync(join(tmpdir(), "thornback-example-"));
      folders.push(dataDir);
      const ports = ["--http-port", "0", "--admin-port", "0", "--grpc-port", "0"];
      const app = `examples/${example}/app.ts`;
      // Its own home and temporary folder, to see that nothing is kept there.
      const scratch = mkdtempSync(join(tmpdir(), "thornback-scratch-"));
      folders.push(scratch);
      const env = { HOME: scratch, TMPDIR: scratch };
      const serve = spawnServe(["run", app, ...ports, "--data-dir", dataDir], { cwd: root, env });
      started.push(serve);
      const url = /http:\/\/\S+/.exec(await serve.line(/http:\/\/127\.0\.0\.1:\d+/))?.[0] ?? "";

      const { code, output } = await check(example, url);
      assert.equal(code, 0, `${output}\n--- serve run printed:\n${serve.out()}\n${serve.err()}`);

      serve.child.kill("SIGINT");
      assert.equal(await serve.exited, 0, `${serve.out()}\n${serve.err()}`);
      const run = join(dataDir, "run");
      assert.deepEqual(existsSync(run) ? readdirSync(run) : [], [], "nothing is left in the data directory's run/");
      assert.deepEqual(readdirSync(scratch), [], "nothing is left in the home and temporary folders");
    });
  }

  it("all have an app, a check and a README", () => {
    for (const example of examples) {
      const files = readdirSync(join(root, "examples", example));
      for (const file of ["app.ts", "check.ts", "README.md"])
        assert.ok(files.includes(file), `examples/${example}/${file}`);
    }
  });
});
