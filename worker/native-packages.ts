import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { InvalidSpecError } from "../core/error.ts";
import type { NodeId } from "../core/ids.ts";
import type { NativePackage } from "../core/spec.ts";

/** Where a bundle's native packages are to be found on a node. */
export type PackageSearch = {
  readonly node: NodeId;
  /** Folder that packages resolve from. */
  readonly folder: string;
};

/**
 * Checks that every package a bundle could not carry is installed. Which version of it is there is npm's and the user's
 * business: a range may well be satisfied by another one.
 * @throws {InvalidSpecError} naming each missing package, the node and the command that installs it.
 */
export function checkNativePackages(packages: readonly NativePackage[], search: PackageSearch): void {
  const missing = packages
    .filter(({ name }) => !isInstalled(name, search.folder))
    .map(({ name, version }) => `${name}@${version}`);
  if (missing.length === 0) return;
  const what =
    missing.length === 1 ? `the native package ${missing[0]} is` : `the native packages ${missing.join(", ")} are`;
  throw new InvalidSpecError(
    `${what} not installed on node ${search.node}: run \`npm install ${missing.join(" ")}\` in ${search.folder} there and deploy again`,
  );
}

/** Looks where Node would: in the `node_modules` of the folder and of every folder above it. */
function isInstalled(name: string, folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, "node_modules", name, "package.json"))) return true;
    if (at === dirname(at)) return false;
  }
}
