import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plugin } from "esbuild";
import type { NativePackage } from "../../core/spec.ts";
import { isBareSpecifier, packageNameOf } from "../../sdk/resolve-hook.ts";

/** The parts of a package.json that give a native package away. */
type PackageJson = {
  readonly name?: string;
  readonly version?: string;
  readonly main?: string;
  readonly binary?: unknown;
  readonly napi?: unknown;
  readonly gypfile?: boolean;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

const BUILDS_AT_INSTALL = /node-gyp|prebuild|node-pre-gyp|cmake-js|napi/;
const PLATFORM_PACKAGE = /(?:linux|darwin|win32)[-_](?:x64|arm64|ia32)/;
/** Folders of a package that hold compiled code when it was built or downloaded. */
const BINARY_DIRS = ["", "build/Release", "lib", "dist"];

/**
 * Keeps native packages out of the bundle: compiled code belongs to one platform and must be installed where it runs.
 * A package is native when its files or its package.json say so, when it is declared, or when a file of it imports
 * compiled code (then `found` grows and the build has to be done again, because that package is in it already).
 */
export class NativePackages {
  /** Packages left out so far, by name. */
  readonly found = new Map<string, NativePackage>();
  readonly #declared: ReadonlySet<string>;
  readonly #isNative = new Map<string, boolean>();

  constructor(declared: Iterable<string>) {
    this.#declared = new Set(declared);
  }

  /** The packages to leave out of the next build. */
  get names(): readonly string[] {
    return [...new Set([...this.#declared, ...this.found.keys()])];
  }

  /** The esbuild plugin that does it. */
  plugin(): Plugin {
    return {
      name: "thornback-native-packages",
      setup: (build) => {
        build.onResolve({ filter: /\.node$/ }, ({ path, importer }) => {
          const dir = packageDirAround(importer);
          if (dir !== undefined) this.#add(dir);
          return { path, external: true };
        });
        build.onResolve({ filter: /^[^./]/ }, ({ path, resolveDir, kind }) => {
          if (kind === "entry-point" || !isBareSpecifier(path)) return undefined;
          const dir = findPackage(packageNameOf(path), resolveDir);
          if (dir === undefined || !this.#mustStayOut(packageNameOf(path), dir)) return undefined;
          this.#add(dir);
          return { path, external: true };
        });
      },
    };
  }

  #mustStayOut(name: string, dir: string): boolean {
    if (this.#declared.has(name) || this.found.has(name)) return true;
    let isNative = this.#isNative.get(dir);
    if (isNative === undefined) {
      isNative = looksNative(dir);
      this.#isNative.set(dir, isNative);
    }
    return isNative;
  }

  #add(dir: string): void {
    const { name, version } = readPackageJson(dir);
    if (name !== undefined) this.found.set(name, { name, version: version ?? "0.0.0" });
  }
}

/** The folder of an installed package, as seen from a folder; undefined when it is not installed. */
function findPackage(name: string, from: string): string | undefined {
  for (let dir = from; ; dir = dirname(dir)) {
    const candidate = join(dir, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return realpathSync(candidate);
    if (dirname(dir) === dir) return undefined;
  }
}

function packageDirAround(file: string): string | undefined {
  for (let dir = dirname(file); dirname(dir) !== dir; dir = dirname(dir)) {
    if (readPackageJson(dir).name !== undefined) return dir;
  }
  return undefined;
}

/** Only packages below node_modules are judged: a workspace package is the user's own code and is bundled. */
function looksNative(dir: string): boolean {
  if (!dir.includes("/node_modules/")) return false;
  if (existsSync(join(dir, "binding.gyp")) || existsSync(join(dir, "prebuilds"))) return true;
  const { main, binary, napi, gypfile, scripts, optionalDependencies } = readPackageJson(dir);
  if (binary !== undefined || napi !== undefined || gypfile === true || main?.endsWith(".node") === true) return true;
  const install = `${scripts?.["install"] ?? ""} ${scripts?.["preinstall"] ?? ""} ${scripts?.["postinstall"] ?? ""}`;
  if (BUILDS_AT_INSTALL.test(install)) return true;
  if (Object.keys(optionalDependencies ?? {}).some((name) => PLATFORM_PACKAGE.test(name))) return true;
  return BINARY_DIRS.some((folder) => holdsBinary(join(dir, folder)));
}

function holdsBinary(dir: string): boolean {
  return existsSync(dir) && readdirSync(dir).some((name) => name.endsWith(".node"));
}

function readPackageJson(dir: string): PackageJson {
  const file = join(dir, "package.json");
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8")) as PackageJson;
  } catch {
    // A broken package.json is for esbuild to complain about, with its place.
    return {};
  }
}
