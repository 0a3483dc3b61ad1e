import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, textOf } from "./tree.ts";

/**
 * Writes generated files when the program was called with `--write`; otherwise ends it with exit code 1 if one of them
 * differs from what is checked in, saying where.
 */
export function checkOrWrite(files: Readonly<Record<string, string>>): void {
  if (process.argv.includes("--write")) {
    for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text);
    return;
  }
  const stale = Object.entries(files).filter(([path, text]) => !existsSync(join(root, path)) || textOf(path) !== text);
  for (const [path, text] of stale) {
    const now = text.split("\n");
    const before = existsSync(join(root, path)) ? textOf(path).split("\n") : [];
    const line = now.findIndex((each, index) => each !== before[index]);
    console.error(`${path} is not up to date (line ${line + 1}); run: npm run docs`);
    console.error(`  checked in: ${before[line] ?? "(end)"}\n  from the code: ${now[line] ?? "(end)"}`);
  }
  console.log(`generated: ${Object.keys(files).join(", ")}: ${stale.length} not up to date`);
  if (stale.length > 0) process.exitCode = 1;
}
