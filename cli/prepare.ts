import { statSync } from "node:fs";
import path from "node:path";
import type { ApplicationSpec } from "../core/spec.ts";
import type { Bundle } from "./bundle.ts";
import type { BlobToSend, PreparedApplication, PreparedDeploy } from "./deploy.ts";
import { CliError, EXIT } from "./exit-code.ts";
import { resolveSecrets, valueSources } from "./secrets.ts";
import type { ServeEntry } from "./serve-file.ts";
import { parseAssignments } from "./settings.ts";

/** Flags that say what is deployed. */
export type PrepareFlags = {
  readonly name?: string;
  readonly routePrefix?: string;
  readonly env?: readonly string[];
  readonly envFile?: string;
};

type Values = Readonly<Record<string, string | undefined>>;

/**
 * Everything that a deploy of `app.ts` or `serve.yaml` sends: applications with their secrets, and blobs.
 *
 * @throws {CliError} | {InvalidSpecError} with the first cause, in the user's own file and line where it has one.
 */
export async function prepareDeploy(
  file: string,
  flags: PrepareFlags,
  env: NodeJS.ProcessEnv,
): Promise<PreparedDeploy> {
  const values = valueSources(parseAssignments(flags.env ?? []), flags.envFile, env);
  mustExist(file, "name the app.ts (or serve.yaml) to serve");
  const applications: PreparedApplication[] = [];
  const blobs = new Map<string, BlobToSend>();
  const sources = new Set([file]);
  const output: string[] = [];
  for (const group of byFile(await readEntries(file, flags, values))) {
    const bundle = await bundleGroup(group, path.basename(file));
    for (const source of bundle.sources) sources.add(source);
    for (const { digest, read } of bundle.files) blobs.set(digest, { digest, body: read });
    blobs.set(bundle.manifest.digest, { digest: bundle.manifest.digest, body: () => bundle.manifest.bytes });
    if (bundle.output !== "") output.push(bundle.output.trimEnd());
    for (const spec of await specsOf(bundle, group, path.basename(file))) {
      applications.push({ spec, secrets: resolveSecrets(spec, values) });
    }
  }
  return { applications, blobs: [...blobs.values()], sources: [...sources], output: output.join("\n") };
}

async function readEntries(file: string, flags: PrepareFlags, values: Values): Promise<readonly ServeEntry[]> {
  const named = { name: flags.name, routePrefix: flags.routePrefix };
  if (!/\.ya?ml$/.test(file)) return [{ file, ...named, env: {}, deployments: {} }];
  // YAML is read only where there is some: its parser takes 30 ms to load.
  const { readServeFile } = await import("./serve-file.ts");
  return readServeFile(file, values, named);
}

/** A file that several entries import is bundled once; their names then say which of its applications each means. */
function byFile(entries: readonly ServeEntry[]): readonly (readonly ServeEntry[])[] {
  return [...Map.groupBy(entries, (entry) => entry.file).values()];
}

async function bundleGroup(group: readonly ServeEntry[], importedBy: string): Promise<Bundle> {
  const [first] = group;
  if (first === undefined) throw new CliError(EXIT.refused, `${importedBy} lists no application`);
  mustExist(first.file, `${importedBy} imports it`);
  const { bundleApplication } = await import("./bundle.ts");
  const { file, name, routePrefix } = first;
  return bundleApplication(file, group.length === 1 ? { name, routePrefix } : {});
}

/** The applications that the entries mean, with what they say beside the code. */
async function specsOf(
  bundle: Bundle,
  group: readonly ServeEntry[],
  importedBy: string,
): Promise<readonly ApplicationSpec[]> {
  const specs = bundle.applications.map(({ spec }) => spec);
  const [only] = group;
  if (only !== undefined && group.length === 1)
    return Promise.all(specs.map((spec) => overridden(spec, only, importedBy)));
  const chosen = group.map((entry) => {
    const spec = specs.find((one) => one.name === entry.name);
    if (spec === undefined) throw unknownName(entry, specs, importedBy);
    return overridden({ ...spec, routePrefix: entry.routePrefix ?? spec.routePrefix }, entry, importedBy);
  });
  return Promise.all(chosen);
}

async function overridden(code: ApplicationSpec, entry: ServeEntry, importedBy: string): Promise<ApplicationSpec> {
  const { env, deployments, access = code.access, cors = code.cors } = entry;
  const spec: ApplicationSpec = { ...code, access, cors };
  if (Object.keys(env).length === 0 && Object.keys(deployments).length === 0) return spec;
  const { applyOverrides } = await import("./overrides.ts");
  return applyOverrides(spec, { env, deployments }, importedBy);
}

function unknownName(entry: ServeEntry, specs: readonly ApplicationSpec[], importedBy: string): CliError {
  const names = specs.map((spec) => spec.name).join(", ");
  const message = `${importedBy} imports ${path.basename(entry.file)} several times; each needs the name of one of its applications (${names})`;
  return new CliError(EXIT.refused, entry.name === undefined ? message : `${message}, and ${entry.name} is none`);
}

function mustExist(file: string, next: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) return;
  throw new CliError(EXIT.failed, `there is no file ${path.relative(process.cwd(), file) || file}`, next);
}
