import { dirname, relative, resolve } from "node:path";
import type { BuildFailure, Message, Metafile } from "esbuild";
import { InvalidSpecError } from "../../core/error.ts";
import { OWN_SPECIFIERS } from "../../sdk/resolve-hook.ts";
import { NativePackages } from "./native-packages.ts";

/** What esbuild made of app.ts, before assets are put in. */
export type Built = {
  readonly code: string;
  /** Source map as text; its sources are relative to the folder of app.ts. */
  readonly map: string;
  readonly metafile: Metafile;
  readonly native: NativePackages;
};

/** Builds that a native package found late may cost; each leaves out at least one more. */
const MOST_BUILDS = 5;
const DIRNAME = "__thornback_dirname";
const FILENAME = "__thornback_filename";

/**
 * Bundles app.ts and all it imports into one ES module. `thornback` stays outside, because the runtime's own copy takes
 * its place; native packages stay outside, because they belong to a platform.
 *
 * @throws {InvalidSpecError} with file, line and column of each thing esbuild could not read or resolve
 */
export async function build(file: string, declaredNative: readonly string[], cwd: string): Promise<Built> {
  let native = new NativePackages(declaredNative);
  for (let attempt = 1; ; attempt++) {
    const built = await buildOnce(file, native, cwd);
    // What was found late is in the bundle in part; left out from the start it is not.
    const late = [...native.found.keys()].filter((name) => isInside(built.metafile, name));
    if (late.length === 0 || attempt === MOST_BUILDS) return built;
    native = new NativePackages(native.names);
  }
}

async function buildOnce(file: string, native: NativePackages, cwd: string): Promise<Built> {
  // Loaded here, so that commands which do not bundle start without it.
  const esbuild = await import("esbuild");
  const projectDir = dirname(file);
  const result = await esbuild
    .build({
      entryPoints: [file],
      absWorkingDir: projectDir,
      outfile: "app.mjs",
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "node",
      target: "node22",
      sourcemap: "linked",
      sourcesContent: true,
      keepNames: true,
      charset: "utf8",
      logLevel: "silent",
      external: [...OWN_SPECIFIERS],
      define: { __dirname: DIRNAME, __filename: FILENAME },
      plugins: [native.plugin()],
    })
    .catch((error: unknown) => {
      throw buildError(error, projectDir, cwd);
    });
  const text = (suffix: string): string => result.outputFiles.find(({ path }) => path.endsWith(suffix))?.text ?? "";
  const built = withPrelude(text("app.mjs"), text("app.mjs.map"));
  return { ...built, metafile: result.metafile, native };
}

/**
 * Gives CommonJS dependencies the names they expect, each only where it is used: a user's own `require` at the top of a
 * module would clash with one that nobody needs. Every line put in front is one `;` in front of the map's mappings.
 */
function withPrelude(code: string, map: string): { readonly code: string; readonly map: string } {
  const lines: string[] = [];
  if (code.includes("__require = ")) {
    lines.push('import { createRequire as __thornback_createRequire } from "node:module";');
    lines.push("const require = __thornback_createRequire(import.meta.url);");
  }
  if (code.includes(DIRNAME)) lines.push(`const ${DIRNAME} = import.meta.dirname;`);
  if (code.includes(FILENAME)) lines.push(`const ${FILENAME} = import.meta.filename;`);
  if (lines.length === 0) return { code, map };
  const shifted = JSON.parse(map) as { mappings: string };
  shifted.mappings = ";".repeat(lines.length) + shifted.mappings;
  return { code: `${lines.join("\n")}\n${code}`, map: JSON.stringify(shifted) };
}

function isInside(metafile: Metafile, packageName: string): boolean {
  return Object.keys(metafile.inputs).some((input) => input.includes(`node_modules/${packageName}/`));
}

function buildError(error: unknown, projectDir: string, cwd: string): unknown {
  const messages = (error as Partial<BuildFailure>).errors;
  if (messages === undefined || messages.length === 0) return error;
  const problems = messages.map((message) => ({ path: placeOf(message, projectDir, cwd), message: message.text }));
  const text = problems.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("\n");
  return new InvalidSpecError(text, { details: { problems } });
}

function placeOf({ location }: Message, projectDir: string, cwd: string): string {
  if (location === null) return "";
  return `${shownPath(resolve(projectDir, location.file), cwd)}:${location.line}:${location.column + 1}`;
}

/** A path as messages show it: relative to where the command runs, when it lies below. */
export function shownPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short.startsWith("..") ? path : short;
}
