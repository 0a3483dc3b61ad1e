/** The README's commands, as they stand there, but on free ports and in a data directory of the test's own. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type CommandResult, freePort, post, serve, spawnServe } from "../integration/cluster.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const dataDir = mkdtempSync(join(tmpdir(), "thornback-readme-"));
let env: Readonly<Record<string, string>> = {};
let address = "";
let url = "";

before(async () => {
  const [http, admin, grpc] = await Promise.all([freePort(), freePort(), freePort()]);
  const ports = { THORNBACK_HTTP_PORT: `${http}`, THORNBACK_ADMIN_PORT: `${admin}`, THORNBACK_GRPC_PORT: `${grpc}` };
  env = { ...ports, THORNBACK_DATA_DIR: dataDir, CI: "" };
  address = `http://127.0.0.1:${admin}`;
  url = `http://127.0.0.1:${http}/`;
});

after(async () => {
  await serve(["shutdown", "--address", address], { cwd: root, env });
  rmSync(dataDir, { recursive: true, force: true });
});

/** The words after `npx serve` of every such line below a heading, in order. */
function commandsBelow(heading: string): readonly (readonly string[])[] {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const block = readme.slice(readme.indexOf(heading)).split("```")[1] ?? "";
  const commands = block.split("\n").filter((line) => line.startsWith("npx serve "));
  return commands.map((line) =>
    line
      .replace(/ +#.*$/, "")
      .split(" ")
      .slice(2),
  );
}

/** Only a deploy starts a cluster; every other command is told where it is. */
function run(words: readonly string[]): Promise<CommandResult> {
  return serve(words, { cwd: root, env: words[0] === "deploy" ? env : { ...env, THORNBACK_ADDRESS: address } });
}

test("the commands of 'Deploy and leave running' do what the README says of them", async () => {
  const commands = commandsBelow("**Deploy and leave running.**");
  assert.deepEqual(
    commands.map(([name]) => name),
    ["deploy", "status", "logs", "explain", "deploy", "delete", "shutdown"],
  );
  for (const words of commands) {
    if (words.includes("-f")) {
      const following = spawnServe(words, { cwd: root, env: { ...env, THORNBACK_ADDRESS: address } });
      following.child.kill("SIGINT");
      await following.exited;
      continue;
    }
    const { code, out, err } = await run(words);
    assert.equal(code, 0, `serve ${words.join(" ")}: ${err}`);
    if (words[0] === "status") assert.match(out, /digits +running/);
    if (words[0] === "deploy") {
      const three = JSON.parse(readFileSync(join(root, "examples/digits/three.json"), "utf8")) as unknown;
      assert.deepEqual((await post(url, three)).body, { label: 3 });
    }
  }
  await assert.rejects(fetch(url), "nothing listens after the shutdown");
});
