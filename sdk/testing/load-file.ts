import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { InvalidSpecError } from "../../core/error.ts";
import { loadApplications } from "../load-app.ts";
import type { ApplicationGraph } from "../load-app.ts";
import { installResolveHook } from "../resolve-hook.ts";

/** A file's application, bundled as a deploy does it and imported from the bundle. */
export type LoadedFile = {
  readonly graph: ApplicationGraph;
  readonly applicationDir: string;
  /** Removes the bundle. */
  readonly remove: () => Promise<void>;
};

/**
 * Bundles a file and imports the application it exports.
 *
 * @throws {InvalidSpecError} as a deploy would, and when the file exports several applications and `name` is none
 */
export async function loadFile(file: string, name: string | undefined): Promise<LoadedFile> {
  // Loaded here, because most tests bundle nothing.
  const { bundleApplication } = await import("../../cli/bundle.ts");
  const bundle = await bundleApplication(file);
  const dir = await realpath(await mkdtemp(join(tmpdir(), "thornback-testing-")));
  const unhook = installResolveHook({ bundleDir: dir, projectDir: dirname(resolve(file)) });
  const remove = async (): Promise<void> => {
    unhook();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    for (const { path, read } of bundle.files) {
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), (await read()).stream());
    }
    const namespace: unknown = await import(pathToFileURL(join(dir, bundle.manifest.value.entry)).href);
    const graphs = loadApplications(namespace, { file });
    const graph = name === undefined && graphs.length === 1 ? graphs[0] : graphs.find((one) => one.name === name);
    if (graph !== undefined) return { graph, applicationDir: dir, remove };
    const names = graphs.map((one) => one.name).join(", ");
    throw new InvalidSpecError(`${file} exports ${names}: say which in the option application`);
  } catch (error) {
    await remove();
    throw error;
  }
}
