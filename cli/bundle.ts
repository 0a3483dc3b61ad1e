import { globSync, openAsBlob, rmSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { readDeploymentOptions } from "../core/deployment-options.ts";
import { InvalidSpecError } from "../core/error.ts";
import type { Digest } from "../core/ids.ts";
import { MOST_BLOB_BYTES } from "../core/limits.ts";
import { ProblemList } from "../core/problem-list.ts";
import { parseApplicationSpec, parseBundleManifest } from "../core/spec-validate.ts";
import type { ApplicationSpec, BundleManifest } from "../core/spec.ts";
import { deploymentVersion } from "../core/version.ts";
import type { VersionedFile } from "../core/version.ts";
import type { EvaluatedApplication, EvaluateResult } from "../sdk/evaluation.ts";
import { build, shownPath } from "./bundle/build.ts";
import type { Built } from "./bundle/build.ts";
import { Evaluator } from "./bundle/evaluate.ts";
import { bundlePath, findAssets } from "./bundle/find-assets.ts";
import type { Asset, WithAssets } from "./bundle/find-assets.ts";
import { digestOf, digestOfFile, ModuleGraph } from "./bundle/module-graph.ts";

/**
 * app.ts → what is deployed: specifications and the files they refer to by digest. Builds with esbuild while the process
 * that will evaluate the result starts, evaluates, and computes the versions. Nothing is kept on disk afterwards.
 */

/** What a deploy may say beside the file. */
export type BundleOptions = {
  /** Goes before the application's own name. */
  readonly name?: string | undefined;
  /** Goes before the application's own prefix. */
  readonly routePrefix?: string | undefined;
  /** Folder that paths in messages are relative to; default the process's. */
  readonly cwd?: string | undefined;
};

/** One application, ready to be put. */
export type BundledApplication = {
  readonly spec: ApplicationSpec;
  /** Secrets that its deployments' `env` refers to, each once. */
  readonly secretNames: readonly string[];
};

/** One file of the bundle, to be uploaded under its digest. */
export type BundledFile = {
  readonly path: string;
  readonly digest: Digest;
  readonly bytes: number;
  /** Its content; read when it is used, so that large models are never held in memory. */
  read(): Promise<Blob>;
};

/** What a deploy uploads and puts. */
export type Bundle = {
  readonly applications: readonly BundledApplication[];
  /** To be uploaded like a file, under its own digest, after the files. */
  readonly manifest: { readonly value: BundleManifest; readonly digest: Digest; readonly bytes: Uint8Array };
  readonly files: readonly BundledFile[];
  /** What the user's code printed while it was evaluated. */
  readonly output: string;
  /** Every source and asset, absolute: a change of one of them changes the bundle. */
  readonly sources: readonly string[];
};

const ENTRY = "app.mjs";
const NATIVE_LIST = "native-packages.json";

/**
 * Bundles the file that describes one or more applications.
 *
 * @throws {InvalidSpecError} when the file, what it imports, or the applications it describes are wrong; the message
 *   begins with file and line of the user's source where it has one
 */
export async function bundleApplication(file: string, options: BundleOptions = {}): Promise<Bundle> {
  const cwd = options.cwd ?? process.cwd();
  const source = resolve(cwd, file);
  if (statSync(source, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new InvalidSpecError(`${file} does not exist; give the file that exports your application`);
  }
  const first = await attempt(source, options, cwd, []);
  const declared = first.applications.flatMap(({ nativePackages }) => nativePackages);
  const isComplete = declared.every((name) => first.built.native.found.has(name));
  // Declarations are only known once the bundle was evaluated; a package they name has to be left out of it.
  const final = isComplete ? first : await attempt(source, options, cwd, declared);
  return assemble(source, final, cwd);
}

type Attempt = {
  readonly built: Built;
  readonly found: WithAssets;
  readonly applications: readonly EvaluatedApplication[];
  readonly modules: ModuleGraph;
  readonly output: string;
};

async function attempt(
  source: string,
  options: BundleOptions,
  cwd: string,
  native: readonly string[],
): Promise<Attempt> {
  const projectDir = dirname(source);
  const evaluator = new Evaluator();
  const dir = await mkdtemp(join(tmpdir(), "thornback-evaluate-"));
  const onExit = (): void => rmSync(dir, { recursive: true, force: true });
  process.once("exit", onExit);
  try {
    const built = await build(source, native, cwd);
    const found = findAssets({ code: built.code, map: built.map, projectDir, cwd });
    const modules = ModuleGraph.read(built.metafile, projectDir, built.native.found);
    await writeFile(join(dir, ENTRY), found.code);
    await writeFile(join(dir, `${ENTRY}.map`), built.map);
    await linkAssets(dir, found.assets);
    const { name, routePrefix } = options;
    const request = { bundleDir: dir, projectDir, file: source, name, routePrefix };
    const [evaluated, graph] = await Promise.all([evaluator.evaluate(request, shownPath(source, cwd)), modules]);
    const applications = applicationsOf(evaluated.result, projectDir, cwd);
    return { built, found, applications, modules: graph, output: evaluated.output };
  } finally {
    evaluator.close();
    process.removeListener("exit", onExit);
    await rm(dir, { recursive: true, force: true });
  }
}

/** Code that reads its files while it is imported finds them where they will be in the bundle. */
async function linkAssets(dir: string, assets: readonly Asset[]): Promise<void> {
  for (const { path, source } of assets) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await symlink(source, join(dir, path));
  }
}

function applicationsOf(result: EvaluateResult, projectDir: string, cwd: string): readonly EvaluatedApplication[] {
  if (result.kind === "evaluated") return result.applications;
  const { at, message, problems, stack } = result;
  const place = at === undefined ? "" : `${shownPath(resolve(projectDir, at.file), cwd)}:${at.line}:${at.column}: `;
  const cause = stack === "" ? undefined : stack;
  throw new InvalidSpecError(place + message, { details: { problems }, cause });
}

async function assemble(source: string, final: Attempt, cwd: string): Promise<Bundle> {
  const projectDir = dirname(source);
  const { built, found, applications, modules, output } = final;
  const foundAssets = await describeAssets(found.assets);
  const withDeclared = await Promise.all(
    applications.map(async (application) => {
      const declared = await describeAssets(declaredAssets(application, projectDir, cwd));
      return { application, assets: [...foundAssets, ...declared] };
    }),
  );
  const assets = [...foundAssets, ...withDeclared.flatMap((one) => one.assets)];
  const files = bundleFiles(final, assets);
  const manifest = manifestOf(projectDir, files);
  const bundled = withDeclared.map(({ application, assets: own }) => {
    const versioned = own.map(({ file }) => ({ name: file.path, digest: file.digest }));
    const spec = specOf({ application, modules, assets: versioned, bundle: manifest.digest });
    return { spec, secretNames: secretNamesOf(spec) };
  });
  const inputs = Object.keys(built.metafile.inputs).map((name) => resolve(projectDir, name));
  const sources = [...new Set([...inputs, ...assets.map((asset) => asset.source)])];
  return { applications: bundled, manifest, files, output, sources };
}

/** Every file of the bundle, in order of its path. */
function bundleFiles({ built, found }: Attempt, assets: readonly AssetFile[]): readonly BundledFile[] {
  const files = new Map<string, BundledFile>(assets.map(({ file }) => [file.path, file]));
  const texts: [string, string][] = [
    [ENTRY, found.code],
    [`${ENTRY}.map`, built.map],
  ];
  const native = [...built.native.found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const versions = native.map(({ name, version }) => [name, version] as const);
  if (versions.length > 0) texts.push([NATIVE_LIST, JSON.stringify(Object.fromEntries(versions))]);
  for (const [path, text] of texts) files.set(path, textFile(path, text));
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function manifestOf(projectDir: string, files: readonly BundledFile[]): Bundle["manifest"] {
  const list = files.map(({ path, digest, bytes }) => ({ path, digest, bytes }));
  const value = parseBundleManifest({ schema: 1, entry: ENTRY, projectDir, files: list });
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return { value, digest: digestOf(bytes), bytes };
}

type SpecInput = {
  readonly application: EvaluatedApplication;
  readonly modules: ModuleGraph;
  readonly assets: readonly VersionedFile[];
  readonly bundle: Digest;
};

function specOf({ application, modules, assets, bundle }: SpecInput): ApplicationSpec {
  const problems = new ProblemList();
  const deployments = application.deployments.map(({ name, options, args, module, hasAuthorize }) => {
    const resolved = readDeploymentOptions(problems, `deployments.${name}`, options);
    const version = deploymentVersion({ options: resolved, args, assets, ...modules.reachableFrom(module) });
    return { name, version, options: resolved, hasAuthorize };
  });
  problems.throwIfAny(`application ${application.name}`);
  return parseApplicationSpec({
    name: application.name,
    routePrefix: application.routePrefix,
    ingress: application.ingress,
    ingressKind: application.ingressKind,
    deployments,
    bundle,
    nativePackages: modules.reachableFrom(undefined).nativePackages,
    openapi: application.openapi,
    access: application.access,
    cors: application.cors,
  });
}

function secretNamesOf(spec: ApplicationSpec): readonly string[] {
  const values = spec.deployments.flatMap(({ options }) => Object.values(options.env));
  return [...new Set(values.flatMap((value) => (typeof value === "string" ? [] : [value.secret])))].sort();
}

/** A file to ship that lies on disk. */
type AssetFile = { readonly file: BundledFile; readonly source: string };

async function describeAssets(assets: readonly Asset[]): Promise<readonly AssetFile[]> {
  return Promise.all(
    assets.map(async ({ path, source }) => {
      const { digest, bytes } = await digestOfFile(source);
      if (bytes > MOST_BLOB_BYTES) {
        const limit = `${bytes} bytes, more than the ${MOST_BLOB_BYTES} that a bundle carries in one file`;
        throw new InvalidSpecError(`${path} has ${limit}; keep it on the nodes, or fetch it in setup()`);
      }
      return { file: { path, digest, bytes, read: () => openAsBlob(source) }, source };
    }),
  );
}

/** The files that `application({ assets })` names. They lie below the project's folder, so that their paths do too. */
function declaredAssets(application: EvaluatedApplication, projectDir: string, cwd: string): readonly Asset[] {
  return application.assets.flatMap((pattern) => {
    const subject = `application ${application.name}: asset ${pattern}`;
    if (isAbsolute(pattern) || pattern.split("/").includes("..")) {
      throw new InvalidSpecError(
        `${subject} leaves the folder of app.ts; name files below it, or use new URL("…", import.meta.url)`,
      );
    }
    const paths = globSync(pattern, {
      cwd: projectDir,
      exclude: ["**/node_modules/**", "**/.thornback/**"],
    });
    const sources = paths.map((path) => join(projectDir, path)).filter((path) => statSync(path).isFile());
    if (sources.length === 0) {
      throw new InvalidSpecError(`${subject} matches no file: looked in ${shownPath(projectDir, cwd) || "."}`);
    }
    return sources.map((source) => ({ path: bundlePath(source, projectDir), source }));
  });
}

function textFile(path: string, text: string): BundledFile {
  const bytes = new TextEncoder().encode(text);
  return { path, digest: digestOf(bytes), bytes: bytes.byteLength, read: async () => new Blob([bytes]) };
}
