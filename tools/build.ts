/**
 * Makes dist/, what the published package holds: JavaScript and declarations of every shipped folder, and beside them
 * the files that code reads at run time and that the compiler does not know (schemas, templates).
 * The `.proto` files are not copied: the package ships them where they are.
 */
import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, SHIPPED } from "./tree.ts";

const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });

const tsc = join(root, "node_modules/typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (status !== 0) process.exit(1);

const besides = SHIPPED.filter((component) => component !== "proto").map((component) => `${component}/**`);
for (const path of globSync(besides, { cwd: root, exclude: (name) => name === "node_modules" })) {
  if (!/\.[a-z]+$/.test(path) || path.endsWith(".ts")) continue;
  mkdirSync(dirname(join(dist, path)), { recursive: true });
  cpSync(join(root, path), join(dist, path));
}
const built = globSync("dist/**/*.js", { cwd: root }).length;
console.log(`dist: ${built} modules`);
