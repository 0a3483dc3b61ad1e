/**
 * Uses the package as a user's project would: packs it, installs it beside the npm package `serve`, which has a command
 * of the same name, before and after it and without it, and runs what the README says for such projects.
 * Needs dist/ (`npm run build`) and a package registry.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runUntilAnswer } from "./check-package/run-until-answer.ts";
import { root } from "./tree.ts";

const OTHER = "serve@14";
const ORDERS: readonly (readonly string[])[] = [["thornback"], ["thornback", OTHER], [OTHER, "thornback"]];

const work = mkdtempSync(join(tmpdir(), "thornback-package-"));
const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip", npm_config_audit: "false", npm_config_fund: "false" };

function command(cwd: string, line: string): string {
  const { status, stdout, stderr } = spawnSync(line, { cwd, env, shell: true, encoding: "utf8", timeout: 120_000 });
  if (status !== 0) throw new Error(`in ${cwd}: ${line}\nexit code ${status}\n${stdout}\n${stderr}`);
  return `${stdout}\n${stderr}`;
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** What must be in the package, and what must not. */
function inspect(tarball: string): void {
  const files = command(work, `tar -tf ${tarball}`)
    .split("\n")
    .map((file) => file.replace("package/", ""));
  for (const wanted of [
    "bin/serve.js",
    "dist/cli/main.js",
    "dist/sdk/index.d.ts",
    "cli/serve.schema.json",
    "proto/thornback/v1/worker.proto",
    "LICENSE",
  ]) {
    require(files.includes(wanted), `${wanted} is not in the package`);
  }
  const unwanted = files.filter((file) => /^(test|sim|tools|examples|bench)\/|^dist\/(test|sim|tools)\//.test(file));
  require(unwanted.length === 0, `not meant for users: ${unwanted.join(", ")}`);
}

async function tryOrder(order: readonly string[], tarball: string): Promise<void> {
  const label = order.join(", then ");
  const project = join(work, order.join("-").replaceAll("@", ""));
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "project", "private": true, "type": "module" }\n');
  for (const name of order) {
    command(project, `npm install --prefer-offline ${name === "thornback" ? tarball : name}`);
  }
  require(command(project, "npx --no-install thornback --help").includes("deploy"), `${label}: npx thornback --help`);

  const said = command(project, "npx --no-install thornback init my-app");
  const hasOther = order.includes(OTHER);
  if (hasOther)
    require(/npx thornback/.test(said), `${label}: init does not warn of the other package \`serve\`:\n${said}`);

  const app = join(project, "my-app");
  // The registry does not have this build: the project's own dependency is replaced by the tarball.
  const manifest = JSON.parse(readFileSync(join(app, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  manifest.dependencies["thornback"] = `file:${tarball}`;
  writeFileSync(join(app, "package.json"), JSON.stringify(manifest));
  command(app, "npm install --prefer-offline");
  if (hasOther) command(app, `npm install --prefer-offline ${OTHER}`);
  const { output, answered } = await runUntilAnswer(app, env);
  // The template takes POST; that a GET is answered 405 is an answer of the application's too.
  require(answered === 405 ||
    answered === 200, `${label}: npx thornback run app.ts answered ${String(answered)}:\n${output}`);
  if (hasOther) require(/npx thornback/.test(output), `${label}: run does not warn of the other package:\n${output}`);
  console.log(`package: installs and serves: ${label}`);
}

try {
  require(readdirSync(root).includes("dist"), "dist/ is missing: npm run build");
  const packed = command(root, `npm pack --silent --pack-destination ${work}`).trim();
  const tarball = join(work, packed.split("\n").at(-1) ?? "");
  inspect(tarball);
  for (const order of ORDERS) await tryOrder(order, tarball);
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
