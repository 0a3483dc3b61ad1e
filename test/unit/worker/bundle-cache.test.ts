import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ReplicaLaunch } from "../../../core/assignment.ts";
import { systemClock } from "../../../core/clock.ts";
import { NotFoundError } from "../../../core/error.ts";
import type { Digest, NodeId } from "../../../core/ids.ts";
import { BLOB_STALL_MS, BUNDLES_KEPT } from "../../../core/limits.ts";
import { seededRandom } from "../../../core/random.ts";
import type { ControllerTransport } from "../../../proto/transport.ts";
import { BundleCache, sweepPartialBundles } from "../../../worker/bundle-cache.ts";
import { assignedReplica } from "../../fake/assigned-replica.ts";
import { ManualClock, settle } from "../../fake/manual-clock.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

const root = mkdtempSync(join(tmpdir(), "thornback-bundles-"));
after(() => rmSync(root, { recursive: true }));
let count = 0;
const never = new AbortController().signal;

function digestOf(bytes: string): Digest {
  return createHash("sha256").update(bytes).digest("hex") as Digest;
}

/** A node's cache and a controller that has `blobs`. */
function bed(options: { readonly clock?: ManualClock; readonly ownsBlobs?: boolean } = {}) {
  const dataDir = join(root, String(count++));
  const blobs = new Map<string, string>();
  const fetched: string[] = [];
  const project = join(dataDir, "project");
  mkdirSync(project, { recursive: true });
  const controller = {
    async *readBlob(digest: Digest, signal: AbortSignal) {
      fetched.push(digest);
      await Promise.resolve();
      const bytes = blobs.get(digest);
      if (bytes === undefined) throw new NotFoundError("deployment_not_found", `blob ${digest} is not there`);
      if (bytes === "stalls") {
        signal.throwIfAborted();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      }
      for (const byte of bytes) yield new TextEncoder().encode(byte);
    },
  } as unknown as ControllerTransport;
  const cache = new BundleCache({
    ...{ clock: options.clock ?? systemClock, random: seededRandom(1), log: new RecordingLog(), dataDir },
    node: () => "node-1" as NodeId,
    controller: () => controller,
    fallbackDir: project,
    ownsBlobs: options.ownsBlobs ?? true,
  });
  /** Gives the controller a bundle of these files and says how to launch it. */
  const bundle = (files: Readonly<Record<string, string>>, projectDir = "/no/such/folder"): ReplicaLaunch => {
    const entries = Object.entries(files).map(([path, text]) => {
      blobs.set(digestOf(text), text);
      return { path, digest: digestOf(text), bytes: text.length };
    });
    const manifest = JSON.stringify({ schema: 1, entry: "app.mjs", projectDir, files: entries });
    blobs.set(digestOf(manifest), manifest);
    return { ...assignedReplica("r").launch, bundle: digestOf(manifest) };
  };
  return { dataDir, blobs, fetched, project, cache, bundle };
}

function hasPartial(dataDir: string): boolean {
  return ["bundles", "blobs"].some((name) => {
    const folder = join(dataDir, name);
    return existsSync(folder) && readdirSync(folder).some((entry) => entry.startsWith(".partial-"));
  });
}

test("a bundle is fetched once, checked and unpacked, however many ask for it", async () => {
  const { dataDir, fetched, cache, bundle, project } = bed();
  const launch = bundle({ "app.mjs": "export default 1;", "models/a.onnx": "model" });
  const [first, second] = await Promise.all([cache.prepare(launch, never), cache.prepare(launch, never)]);
  assert.deepEqual(first, { bundleDir: join(dataDir, "bundles", launch.bundle), projectDir: project });
  assert.deepEqual(second, first);
  assert.equal(readFileSync(join(first.bundleDir, "models/a.onnx"), "utf8"), "model");
  assert.equal(fetched.length, 3);
  await cache.prepare(launch, never);
  assert.equal(fetched.length, 3);
});

test("a file that two bundles share is stored once", async () => {
  const { fetched, cache, bundle } = bed();
  const [one, two] = [bundle({ "app.mjs": "one", model: "large" }), bundle({ "app.mjs": "two", model: "large" })];
  const first = await cache.prepare(one, never);
  const second = await cache.prepare(two, never);
  assert.equal(fetched.filter((digest) => digest === digestOf("large")).length, 1);
  assert.equal(statSync(join(first.bundleDir, "model")).ino, statSync(join(second.bundleDir, "model")).ino);
});

test("bytes that are not those of the digest are refused and nothing is left of them", async () => {
  const { dataDir, blobs, cache, bundle } = bed();
  const launch = bundle({ "app.mjs": "good" });
  blobs.set(digestOf("good"), "evil");
  await assert.rejects(cache.prepare(launch, never), { code: "deployment_unavailable" });
  assert.equal(existsSync(join(dataDir, "bundles", launch.bundle)), false);
  assert.equal(hasPartial(dataDir), false);
  blobs.set(digestOf("good"), "good");
  await cache.prepare(launch, never);
});

test("a stored file that was changed since is fetched again", async () => {
  const { dataDir, fetched, cache, bundle } = bed();
  await cache.prepare(bundle({ "app.mjs": "one", model: "large" }), never);
  writeFileSync(join(dataDir, "blobs", digestOf("large")), "LARGE");
  const { bundleDir } = await cache.prepare(bundle({ "app.mjs": "two", model: "large" }), never);
  assert.equal(readFileSync(join(bundleDir, "model"), "utf8"), "large");
  assert.equal(fetched.filter((digest) => digest === digestOf("large")).length, 2);
});

test("a path out of the bundle's folder is refused for good", async () => {
  const { dataDir, cache, bundle } = bed();
  for (const path of ["../evil", "/etc/evil", "a/../../evil", "a\\evil", "a\0b", "./a", ""]) {
    const launch = bundle({ "app.mjs": "x", [path]: "evil" });
    await assert.rejects(cache.prepare(launch, never), { code: "invalid_spec" }, JSON.stringify(path));
    assert.equal(existsSync(join(dataDir, "bundles", launch.bundle)), false);
  }
});

test("a bundle that the controller does not have is not a bundle that is wrong", async () => {
  const { cache } = bed();
  const launch = { ...assignedReplica("r").launch, bundle: "c".repeat(64) as Digest };
  await assert.rejects(cache.prepare(launch, never), { code: "deployment_not_found" });
  await assert.rejects(cache.prepare({ ...launch, bundle: "../../etc" as Digest }, never), { code: "invalid_spec" });
});

test("a download of which nothing comes is broken off", async () => {
  const clock = new ManualClock();
  const { dataDir, blobs, cache } = bed({ clock });
  const launch = { ...assignedReplica("r").launch, bundle: digestOf("stalls") };
  blobs.set(launch.bundle, "stalls");
  const refused = assert.rejects(cache.prepare(launch, never), {
    code: "deployment_unavailable",
    message: /nothing of file/,
  });
  while (clock.pendingCount === 0) await settle();
  clock.advance(BLOB_STALL_MS);
  await refused;
  assert.equal(hasPartial(dataDir), false);
});

test("native packages are looked for in the project, and a missing one is named with the command that helps", async () => {
  const { project, cache, bundle } = bed();
  mkdirSync(join(project, "node_modules/sharp"), { recursive: true });
  writeFileSync(join(project, "node_modules/sharp/package.json"), "{}");
  const launch = bundle({ "app.mjs": "x" }, join(project, "packages"));
  mkdirSync(join(project, "packages"));
  const sharp = { name: "sharp", version: "1.2.3" };
  const { projectDir } = await cache.prepare({ ...launch, nativePackages: [sharp] }, never);
  assert.equal(projectDir, join(project, "packages"), "found in a folder above");
  const canvas = { name: "@napi/canvas", version: "2.0.0" };
  await assert.rejects(cache.prepare({ ...launch, nativePackages: [sharp, canvas] }, never), {
    code: "invalid_spec",
    message: /@napi\/canvas@2\.0\.0 is not installed on node node-1: run `npm install @napi\/canvas@2\.0\.0` in /,
  });
});

test("old bundles go when there are too many, those in use stay, and so does what is shared with them", async () => {
  const { dataDir, cache, bundle } = bed();
  const launches = Array.from({ length: BUNDLES_KEPT + 3 }, (_, index) =>
    bundle({ "app.mjs": `app ${index}`, model: "shared" }),
  );
  for (const [index, launch] of launches.entries()) {
    const { bundleDir } = await cache.prepare(launch, never);
    utimesSync(bundleDir, 1_000 + index, 1_000 + index);
  }
  const [oldest, second, third] = launches;
  assert.ok(oldest !== undefined && second !== undefined && third !== undefined);
  cache.keep(new Set([oldest.bundle]));
  const isGone = (launch: ReplicaLaunch): boolean => !existsSync(join(dataDir, "bundles", launch.bundle));
  while (!isGone(third) || existsSync(join(dataDir, "blobs", digestOf("app 2")))) await settle();
  assert.deepEqual([isGone(oldest), isGone(second)], [false, true]);
  assert.ok(existsSync(join(dataDir, "blobs", digestOf("shared"))));
  assert.ok(existsSync(join(dataDir, "blobs", digestOf("app 0"))));
});

test("what a crash left half-done is swept", async () => {
  const { dataDir } = bed();
  mkdirSync(join(dataDir, "bundles/.partial-x"), { recursive: true });
  mkdirSync(join(dataDir, "blobs"), { recursive: true });
  writeFileSync(join(dataDir, "blobs/.partial-y"), "half");
  await sweepPartialBundles(dataDir);
  assert.equal(hasPartial(dataDir), false);
});
