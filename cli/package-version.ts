import { existsSync, readFileSync } from "node:fs";

/** The version of this package; its package.json is one folder up from the sources, two from `dist/cli/`. */
export function packageVersion(): string {
  const beside = new URL("../package.json", import.meta.url);
  const file = existsSync(beside) ? beside : new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
