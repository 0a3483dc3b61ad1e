import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Metafile } from "esbuild";
import type { Digest } from "../../core/ids.ts";
import type { NativePackage } from "../../core/spec.ts";
import type { VersionedFile } from "../../core/version.ts";
import { isBareSpecifier, packageNameOf } from "../../sdk/resolve-hook.ts";

/** What a deployment's code consists of. */
export type Reachable = {
  readonly modules: readonly VersionedFile[];
  readonly nativePackages: readonly NativePackage[];
};

/** The modules of a bundle with the digests of their contents, and which of them reaches which. */
export class ModuleGraph {
  readonly #inputs: Metafile["inputs"];
  readonly #digests: ReadonlyMap<string, Digest>;
  readonly #native: ReadonlyMap<string, NativePackage>;

  private constructor(
    inputs: Metafile["inputs"],
    digests: ReadonlyMap<string, Digest>,
    native: ReadonlyMap<string, NativePackage>,
  ) {
    this.#inputs = inputs;
    this.#digests = digests;
    this.#native = native;
  }

  /** Reads and digests every module of a build. */
  static async read(
    metafile: Metafile,
    projectDir: string,
    native: ReadonlyMap<string, NativePackage>,
  ): Promise<ModuleGraph> {
    const names = Object.keys(metafile.inputs).filter((name) => !name.startsWith("("));
    const entries = await Promise.all(
      names.map(async (name) => [name, digestOf(await readFile(resolve(projectDir, stripNamespace(name))))] as const),
    );
    return new ModuleGraph(metafile.inputs, new Map(entries), native);
  }

  /**
   * What is reachable from `module`. All there is, when the module is not known or belongs to a dependency: then the
   * code that matters is whoever called the dependency.
   */
  reachableFrom(module: string | undefined): Reachable {
    const isOwn = module !== undefined && module in this.#inputs && !module.includes("node_modules/");
    const pending = isOwn ? [module] : Object.keys(this.#inputs);
    const seen = new Set<string>(pending);
    const native = new Map<string, NativePackage>();
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      for (const { path, external } of this.#inputs[name]?.imports ?? []) {
        const found = external === true && isBareSpecifier(path) ? this.#native.get(packageNameOf(path)) : undefined;
        if (found !== undefined) native.set(found.name, found);
        if (external === true || seen.has(path)) continue;
        seen.add(path);
        pending.push(path);
      }
    }
    return { modules: [...seen].flatMap((name) => this.#versioned(name)), nativePackages: [...native.values()] };
  }

  #versioned(name: string): readonly VersionedFile[] {
    const digest = this.#digests.get(name);
    if (digest === undefined) return [];
    // Where a package is installed differs between checkouts; what it is called inside node_modules does not.
    return [{ name: name.slice(name.lastIndexOf("node_modules/") + 1), digest }];
  }
}

/** SHA-256 of bytes in memory. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return createHash("sha256").update(bytes).digest("hex") as Digest;
}

/** SHA-256 and length of a file, without holding it in memory. */
export async function digestOfFile(file: string): Promise<{ readonly digest: Digest; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      bytes += chunk.byteLength;
      hash.update(chunk);
    }
  });
  return { digest: hash.digest("hex") as Digest, bytes };
}

function stripNamespace(name: string): string {
  return name.replace(/^file:/, "");
}
