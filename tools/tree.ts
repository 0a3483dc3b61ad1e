import { globSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Components that the package ships, in the order of who may import whom. */
export const SHIPPED = [
  "core",
  "proto",
  "batching",
  "load",
  "session",
  "routing",
  "sdk",
  "proxy",
  "controller",
  "worker",
  "cli",
] as const;

/** Folders with TypeScript that stay in the repository. */
export const UNSHIPPED = ["sim", "bench", "examples", "test", "tools"] as const;

/** Paths, relative to the root and with forward slashes, of the TypeScript files under these folders, sorted. */
export function typescriptFiles(folders: readonly string[]): string[] {
  const patterns = folders.map((folder) => `${folder}/**/*.ts`);
  const exclude = (name: string): boolean => name === "node_modules" || name === "dist";
  return globSync(patterns, { cwd: root, exclude })
    .map((path) => path.split(sep).join("/"))
    .filter((path) => !path.startsWith("proto/gen/") && !path.startsWith("test/fixture/app/"))
    .sort();
}

/** Text of a file of the repository. */
export function textOf(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
