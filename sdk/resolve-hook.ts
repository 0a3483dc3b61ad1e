import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire, isBuiltin, registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ModelError } from "../core/error.ts";

/** Where modules of a bundle come from that are not in it. */
export type ResolveHookOptions = {
  /** Folder of the bundle; only imports made from below it are looked at. */
  readonly bundleDir: string;
  /** Folder of app.ts on the machine that deployed it: native packages are looked for there first. */
  readonly projectDir: string;
};

const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
/** Sub-paths of the package that user code may import, and the files behind them, from this folder. */
const SUB_PATHS: Readonly<Record<string, string>> = {
  thornback: "index",
  "thornback/onnx": "onnx",
  "thornback/client": "client",
  "thornback/testing": "testing/index",
};

/**
 * Maps `thornback` and its sub-paths to the runtime's own files, so that user code registers with the copy that runs it,
 * and packages left out of a bundle to the project's folder, then to the runtime's own dependencies. Works for `import`
 * and `require` alike. Returns how to take it away again.
 */
export function installResolveHook(options: ResolveHookOptions): () => void {
  // Node names modules by their real paths, so a bundle below a linked folder is known by that alone.
  const bundleUrl = `${pathToFileURL(realpathSync(options.bundleDir)).href}/`;
  const parents = [pathToFileURL(join(options.projectDir, "app.mjs")).href, import.meta.url];
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      const { parentURL } = context;
      if (parentURL?.startsWith(bundleUrl) !== true || !isBareSpecifier(specifier))
        return nextResolve(specifier, context);
      const own = ownModule(specifier);
      if (own !== undefined) return { url: own, shortCircuit: true };
      for (const parent of parents) {
        try {
          // `require` resolves by the module that calls it, whatever parent the context names.
          if (!context.conditions.includes("require")) return nextResolve(specifier, { ...context, parentURL: parent });
          const path = createRequire(parent).resolve(specifier);
          return { url: pathToFileURL(path).href, shortCircuit: true };
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      }
      throw missingPackage(specifier, options.bundleDir);
    },
  });
  return () => hooks.deregister();
}

/** Sub-paths that `import` may name, for a bundler that leaves them out. */
export const OWN_SPECIFIERS: readonly string[] = Object.keys(SUB_PATHS);

/** Name of the npm package that a bare specifier belongs to: `@scope/name/file` → `@scope/name`. */
export function packageNameOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Whether a specifier names a package: neither a path, nor a URL, nor a module of Node's own. */
export function isBareSpecifier(specifier: string): boolean {
  return !/^(?:[./#]|[a-z][a-z0-9+.-]*:)/i.test(specifier) && !isBuiltin(specifier);
}

function ownModule(specifier: string): string | undefined {
  if (!Object.hasOwn(SUB_PATHS, specifier)) return undefined;
  return new URL(`./${SUB_PATHS[specifier]}${EXTENSION}`, import.meta.url).href;
}

function isNotFound(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
}

function missingPackage(specifier: string, bundleDir: string): ModelError {
  const name = packageNameOf(specifier);
  const version = bundledVersion(name, bundleDir);
  const exact = version === undefined ? name : `${name}@${version}`;
  return new ModelError(
    `package ${exact} is not installed on this node; run \`npm install ${exact}\` in the project's folder there`,
  );
}

/** The version that the bundle was made with, from the list beside it. */
function bundledVersion(name: string, bundleDir: string): string | undefined {
  const file = join(bundleDir, "native-packages.json");
  if (!existsSync(file)) return undefined;
  const list = JSON.parse(readFileSync(file, "utf8")) as Readonly<Record<string, string>>;
  return list[name];
}
