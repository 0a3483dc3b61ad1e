/**
 * Bundles on a node. `blobs/<sha256>` holds files by their digest, `bundles/<digest>/` a whole bundle with hard links to
 * them. What is missing is fetched from the controller. Both appear by a rename only after every byte was checked, so a
 * folder that exists is whole; whatever a crash left half-done has a name that is swept at the next start.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ReplicaLaunch } from "../core/assignment.ts";
import type { Clock } from "../core/clock.ts";
import { DeploymentUnavailableError, InvalidSpecError } from "../core/error.ts";
import type { Digest, NodeId } from "../core/ids.ts";
import { BLOB_STALL_MS, BUNDLES_KEPT, MOST_BLOB_BYTES } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import { DATA_DIR } from "../core/process-config.ts";
import type { Random } from "../core/random.ts";
import { randomSuffix } from "../core/random.ts";
import type { BundleManifest } from "../core/spec.ts";
import { parseBundleManifest } from "../core/spec-validate.ts";
import type { ControllerTransport } from "../proto/transport.ts";
import type { Bundles, PreparedBundle } from "./bundles.ts";
import { checkNativePackages } from "./native-packages.ts";

/** What {@link BundleCache} is made from. */
export type BundleCacheDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly dataDir: string;
  readonly node: () => NodeId;
  /** Rejects while the controller is not known. */
  readonly controller: () => ControllerTransport;
  /** Native packages resolve from here where the project's own folder does not exist. */
  readonly fallbackDir: string;
  /** False where the controller keeps its blobs in the same folder: they are its own to remove. */
  readonly ownsBlobs: boolean;
};

const DIGEST = /^[0-9a-f]{64}$/;
/** The manifest stands beside its folder, where no file of the bundle can be. */
const MANIFEST_SUFFIX = ".json";

/** The node's bundles. */
export class BundleCache implements Bundles {
  readonly #deps: BundleCacheDeps;
  readonly #blobs: string;
  readonly #bundles: string;
  /** Several replicas of one deployment start together; their bundle is unpacked once. */
  readonly #unpacking = new Map<Digest, Promise<BundleManifest>>();
  #inUse: ReadonlySet<Digest> = new Set();
  #isSweeping = false;

  constructor(deps: BundleCacheDeps) {
    this.#deps = deps;
    this.#blobs = join(deps.dataDir, DATA_DIR.blobs);
    this.#bundles = join(deps.dataDir, DATA_DIR.bundles);
  }

  async prepare(launch: ReplicaLaunch, signal: AbortSignal): Promise<PreparedBundle> {
    const { bundle, nativePackages } = launch;
    if (!DIGEST.test(bundle)) throw new InvalidSpecError("the bundle's name is not a SHA-256 digest; deploy again");
    let unpacking = this.#unpacking.get(bundle);
    if (unpacking === undefined) {
      unpacking = this.#manifest(bundle).finally(() => this.#unpacking.delete(bundle));
      this.#unpacking.set(bundle, unpacking);
    }
    const manifest = await unpacking;
    signal.throwIfAborted();
    const projectDir = existsSync(manifest.projectDir) ? manifest.projectDir : this.#deps.fallbackDir;
    checkNativePackages(nativePackages, { node: this.#deps.node(), folder: projectDir });
    return { bundleDir: join(this.#bundles, bundle), projectDir };
  }

  keep(inUse: ReadonlySet<Digest>): void {
    this.#inUse = inUse;
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    void this.#removeOld()
      .catch((err: unknown) => this.#deps.log.warn({ err }, "old bundles could not be removed"))
      .finally(() => (this.#isSweeping = false));
  }

  /** The manifest of a bundle whose folder is there, after it was unpacked if need be. */
  async #manifest(bundle: Digest): Promise<BundleManifest> {
    const folder = join(this.#bundles, bundle);
    const manifestPath = `${folder}${MANIFEST_SUFFIX}`;
    if (existsSync(folder) && existsSync(manifestPath)) {
      const now = new Date(this.#deps.clock.wallTime());
      await utimes(folder, now, now);
      return parseManifest(bundle, await readFile(manifestPath, "utf8"));
    }
    const blob = await this.#blob(bundle);
    const manifest = parseManifest(bundle, await readFile(blob, "utf8"));
    await this.#unpack(folder, manifest);
    await this.#place(blob, manifestPath);
    return manifest;
  }

  async #unpack(folder: string, manifest: BundleManifest): Promise<void> {
    const partial = join(this.#bundles, `.partial-${randomSuffix(this.#deps.random, 10)}`);
    try {
      await mkdir(partial, { recursive: true, mode: 0o700 });
      for (const file of manifest.files) {
        const blob = await this.#blob(file.digest);
        const target = join(partial, file.path);
        await mkdir(dirname(target), { recursive: true, mode: 0o700 });
        await this.#place(blob, target);
      }
      await rm(folder, { recursive: true, force: true });
      await rename(partial, folder);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }

  /** A link costs nothing; between two file systems there is none. */
  async #place(blob: string, target: string): Promise<void> {
    await rm(target, { force: true });
    try {
      await link(blob, target);
    } catch (err) {
      this.#deps.log.debug({ err }, "no hard link; the file is copied");
      await copyFile(blob, target);
    }
  }

  /** Path of a file whose bytes have that digest. User code could have written to one that is here, so it is checked. */
  async #blob(digest: Digest): Promise<string> {
    const path = join(this.#blobs, digest);
    if (existsSync(path)) {
      if ((await digestOf(path)) === digest) return path;
      this.#deps.log.warn({ digest }, "a stored file was changed and is fetched again");
    }
    await this.#fetch(digest, path);
    return path;
  }

  async #fetch(digest: Digest, path: string): Promise<void> {
    const { controller, clock, random } = this.#deps;
    await mkdir(this.#blobs, { recursive: true, mode: 0o700 });
    const partial = join(this.#blobs, `.partial-${randomSuffix(random, 10)}`);
    const stalled = new AbortController();
    const watchdog = () =>
      clock.after(BLOB_STALL_MS, () => {
        stalled.abort(
          new DeploymentUnavailableError(`nothing of file ${digest} came from the controller for ${BLOB_STALL_MS} ms`),
        );
      });
    const file = await open(partial, "wx", 0o600);
    let timer = watchdog();
    try {
      const hash = createHash("sha256");
      let bytes = 0;
      for await (const chunk of controller().readBlob(digest, stalled.signal)) {
        timer.cancel();
        timer = watchdog();
        bytes += chunk.length;
        if (bytes > MOST_BLOB_BYTES)
          throw new InvalidSpecError(`file ${digest} is larger than ${MOST_BLOB_BYTES} bytes`);
        hash.update(chunk);
        await file.write(chunk);
      }
      if (hash.digest("hex") !== digest) {
        throw new DeploymentUnavailableError(`file ${digest} came damaged from the controller; it is fetched again`);
      }
      await rename(partial, path);
    } finally {
      timer.cancel();
      await file.close();
      await rm(partial, { force: true });
    }
  }

  async #removeOld(): Promise<void> {
    const names = await readdir(this.#bundles).catch(() => []);
    const old: { readonly name: string; readonly at: number }[] = [];
    for (const name of names) {
      if (!DIGEST.test(name) || this.#inUse.has(name as Digest) || this.#unpacking.has(name as Digest)) continue;
      old.push({ name, at: (await stat(join(this.#bundles, name))).mtimeMs });
    }
    const beyond = old.toSorted((left, right) => right.at - left.at).slice(BUNDLES_KEPT);
    for (const { name } of beyond) {
      await rm(join(this.#bundles, `${name}${MANIFEST_SUFFIX}`), { force: true });
      await rm(join(this.#bundles, name), { recursive: true, force: true });
    }
    if (beyond.length > 0 && this.#deps.ownsBlobs && this.#unpacking.size === 0) await this.#removeUnlinkedBlobs();
  }

  /** Blobs that no bundle links to any more. */
  async #removeUnlinkedBlobs(): Promise<void> {
    for (const name of await readdir(this.#blobs)) {
      const path = join(this.#blobs, name);
      if ((await stat(path)).nlink === 1) await rm(path, { force: true });
    }
  }
}

/** Removes what a crash left half-done. Called once, before the first bundle is asked for. */
export async function sweepPartialBundles(dataDir: string): Promise<void> {
  for (const folder of [join(dataDir, DATA_DIR.bundles), join(dataDir, DATA_DIR.blobs)]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(folder)) {
      if (name.startsWith(".partial-")) await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

function parseManifest(bundle: Digest, text: string): BundleManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidSpecError(`bundle ${bundle} has no manifest: its bytes are not JSON; deploy again`, { cause });
  }
  return parseBundleManifest(value);
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
