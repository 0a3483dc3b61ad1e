/**
 * Runs the tests in the named folders of test/ with Node's own runner. A folder that holds no test fails: a pattern
 * that matches nothing must not look like success. Files run in processes of their own; those that start clusters run
 * one after another, because they measure time.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { root } from "./tree.ts";

const [...folders] = process.argv.slice(2);
const files: string[] = [];
for (const folder of folders) {
  const found = globSync(`test/${folder}/**/*.test.ts`, { cwd: root });
  if (found.length === 0) {
    console.error(`test/${folder} holds no *.test.ts file: write one, or take the name out of package.json`);
    process.exit(1);
  }
  files.push(...found.sort());
}
const serial = folders.some((folder) => ["integration", "fault", "example"].includes(folder));
const flags = ["--conditions=thornback-source", "--test", "--test-reporter=spec"];
const concurrency = serial ? ["--test-concurrency=1", "--test-timeout=300000"] : ["--test-timeout=60000"];
const { status } = spawnSync(process.execPath, [...flags, ...concurrency, ...files], { cwd: root, stdio: "inherit" });
process.exit(status ?? 1);
