/**
 * Compiles the sources once, after an install, into the cache that `bin/serve.js` uses in a checkout. Without it the
 * first start strips the types in every process: a fifth of a second and 30 MB each.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./tree.ts";

/** What `serve` runs. */
const FOLDERS = ["core", "proto", "batching", "routing", "proxy", "controller", "worker", "session", "sdk", "cli"];
/** Programs: they end at once without their argument, and are compiled by then. */
const ENTRY = /(?:^|[/-])(?:main|thread)\.ts$/;

const cache = join(root, "node_modules/.cache/thornback");
module.enableCompileCache(cache);
const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(root, folder, file)),
);
const programs = files.filter((file) => ENTRY.test(file));
for (const program of programs) {
  spawnSync(process.execPath, [program], { env: { ...process.env, NODE_COMPILE_CACHE: cache }, stdio: "ignore" });
}
for (const file of files) if (!programs.includes(file)) await import(pathToFileURL(file).href);
module.flushCompileCache();
