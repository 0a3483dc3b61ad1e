#!/usr/bin/env node
// Plain JavaScript that every Node.js since 12 can parse, so that an old one gets a sentence and not a syntax error.
import { existsSync, mkdirSync } from "fs";
import module from "module";
import path from "path";
import { fileURLToPath, pathToFileURL } from "url";

const WANTED = [22, 18];

function isTooOld(version) {
  const parts = version.split(".").map(Number);
  return parts[0] < WANTED[0] || (parts[0] === WANTED[0] && parts[1] < WANTED[1]);
}

function flagValue(argv, name) {
  const at = argv.findIndex((word) => word === name || word.startsWith(name + "="));
  if (at < 0) return undefined;
  return argv[at] === name ? argv[at + 1] : argv[at].slice(name.length + 1);
}

// Compiled code is kept in the data directory and nowhere else; a command that makes no data directory keeps none.
function cacheInDataDir(argv) {
  const byDefault = argv[0] === "run" ? path.join(".thornback", "dev") : ".thornback";
  const dataDir = path.resolve(flagValue(argv, "--data-dir") || process.env.THORNBACK_DATA_DIR || byDefault);
  const makesOne = (argv[0] === "run" || argv[0] === "start") && !argv.includes("--help") && !argv.includes("-h");
  if (!makesOne && !existsSync(dataDir)) return undefined;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch {
    return undefined; // The command itself says what is wrong with the folder.
  }
  return path.join(dataDir, "cache");
}

// In a checkout it is kept with what was installed, where tools/warm-cache.ts has filled it.
function enableCache(cache) {
  if (cache === undefined) return;
  process.env.NODE_COMPILE_CACHE = cache;
  module.enableCompileCache(cache);
}

if (isTooOld(process.versions.node)) {
  console.error(
    "error: thornback needs Node.js 22.18 or newer and this is " +
      process.version +
      "\n       install a newer one from https://nodejs.org, or one for this project: npm install --save-dev node@24",
  );
  process.exit(1);
} else {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  const sources = path.join(root, "cli", "main.ts");
  const isCheckout = existsSync(sources);
  const checkoutCache = path.join(root, "node_modules", ".cache", "thornback");
  enableCache(process.env.NODE_COMPILE_CACHE || (isCheckout ? checkoutCache : cacheInDataDir(process.argv.slice(2))));
  import(pathToFileURL(isCheckout ? sources : path.join(root, "dist", "cli", "main.js")).href).then(
    (cli) => cli.main(process.argv.slice(2)),
    (error) => {
      console.error(error);
      process.exitCode = 1;
    },
  );
}
