import { readAccess, readCors } from "./access.ts";
import { readDeploymentName, refuseInheritedName } from "./deployment-name.ts";
import { readDeploymentOptions } from "./deployment-options.ts";
import { checkFallbacks } from "./fallback.ts";
import type { ApplicationName, Digest, Version } from "./ids.ts";
import { MOST_BLOB_BYTES, MOST_BUNDLE_FILES, MOST_DEPLOYMENTS } from "./limits.ts";
import { isRecord, joinPath, ProblemList } from "./problem-list.ts";
import type { ApplicationSpec, BundleFile, BundleManifest, DeploymentSpec, NativePackage } from "./spec.ts";

const APPLICATION_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const VERSION = /^[0-9a-f]{12}$/;
const DIGEST = /^[0-9a-f]{64}$/;
const PACKAGE_NAME = /^(?:@[a-z0-9-~][a-z0-9-._~]*\/)?[a-zA-Z0-9-~][a-zA-Z0-9-._~]*$/;
const PACKAGE_VERSION = /^[0-9A-Za-z.+-]{1,64}$/;
const ROUTE_PREFIX = /^\/(?:[A-Za-z0-9_~.-]+(?:\/[A-Za-z0-9_~.-]+)*)?$/;

/**
 * The application specification in a deploy's body.
 *
 * @throws {InvalidSpecError} when anything in it is wrong; `details.problems` has all of it, each with its path.
 */
export function parseApplicationSpec(value: unknown): ApplicationSpec {
  const problems = new ProblemList();
  const given = problems.readRecord("", value);
  problems.refuseUnknown("", given, [
    "name",
    "routePrefix",
    "ingress",
    "ingressKind",
    "deployments",
    "bundle",
    "nativePackages",
    "openapi",
    "access",
    "cors",
  ]);
  const deployments = readDeployments(problems, given["deployments"]);
  const ingress = readDeploymentName(problems, "ingress", given["ingress"]);
  if (ingress !== "" && !deployments.some(({ name }) => name === ingress)) {
    problems.add("ingress", `is ${ingress}, which is not among the deployments`);
  }
  checkFallbacks(problems, deployments);
  const spec: ApplicationSpec = {
    name: readApplicationName(problems, "name", given["name"]),
    routePrefix: readRoutePrefix(problems, "routePrefix", given["routePrefix"]),
    ingress,
    ingressKind: problems.readChoice("ingressKind", given["ingressKind"], ["fetch", "predict"], "predict"),
    deployments,
    bundle: readDigest(problems, "bundle", given["bundle"]),
    nativePackages: readNativePackages(problems, given["nativePackages"]),
    openapi: given["openapi"],
    access: readAccess(problems, "access", given["access"]),
    cors: readCors(problems, "cors", given["cors"]),
  };
  problems.throwIfAny(spec.name === "" ? "application specification" : `application ${spec.name}`);
  return spec;
}

/**
 * A bundle's table of contents. Every path is relative, stays below the bundle's folder and differs from the others
 * even where file names ignore case.
 *
 * @throws {InvalidSpecError} when anything in it is wrong.
 */
export function parseBundleManifest(value: unknown): BundleManifest {
  const problems = new ProblemList();
  const given = problems.readRecord("", value);
  if (given["schema"] !== 1) problems.add("schema", "must be 1; the bundle was made by a newer thornback");
  const list = problems.readList("files", given["files"]);
  if (list.length > MOST_BUNDLE_FILES) problems.add("files", `holds ${list.length}, more than ${MOST_BUNDLE_FILES}`);
  const files: BundleFile[] = [];
  const seen = new Set<string>();
  for (const [index, entry] of list.slice(0, MOST_BUNDLE_FILES).entries()) {
    const at = joinPath("files", index);
    const file = problems.readRecord(at, entry);
    const path = readBundlePath(problems, `${at}.path`, file["path"]);
    const key = path.toLowerCase();
    if (path !== "" && seen.has(key)) problems.add(`${at}.path`, `${path} is there twice`);
    seen.add(key);
    const bounds = { least: 0, most: MOST_BLOB_BYTES, isInteger: true };
    const bytes = problems.readNumber(`${at}.bytes`, file["bytes"] ?? -1, bounds, 0);
    files.push({ path, digest: readDigest(problems, `${at}.digest`, file["digest"]), bytes });
  }
  refuseFilesAsFolders(problems, seen);
  const entry = readBundlePath(problems, "entry", given["entry"]);
  if (entry !== "" && !files.some(({ path }) => path === entry))
    problems.add("entry", `${entry} is not among the files`);
  const projectDir = problems.readText("projectDir", given["projectDir"], /^[^\0]{0,4096}$/, "a folder");
  problems.throwIfAny("bundle manifest");
  return { schema: 1, entry, projectDir, files };
}

/** An application's name; noted in `problems` when it is not one. */
export function readApplicationName(problems: ProblemList, path: string, value: unknown): ApplicationName {
  const what = "1 to 63 lower-case letters, digits and dashes, a letter or digit at both ends";
  const name = problems.readText(path, value, APPLICATION_NAME, what) as ApplicationName;
  refuseInheritedName(problems, path, name);
  return name;
}

/**
 * A route prefix; noted in `problems` when it is not one. A slash at the end is dropped. Parts of dots alone are
 * refused because clients fold them away, and `/-` because the proxy's own pages are there.
 */
export function readRoutePrefix(problems: ProblemList, path: string, value: unknown): string {
  const trimmed = typeof value === "string" ? value.replace(/(?<=[^/])\/$/, "") : value;
  const what = "a path such as / or /models/digits, of letters, digits, - _ . ~";
  const prefix = problems.readText(path, trimmed, ROUTE_PREFIX, what);
  const parts = prefix.split("/");
  if (parts.includes(".") || parts.includes("..")) problems.add(path, "must not hold a part . or ..");
  if (parts[1] === "-") problems.add(path, "must not begin with /-, where the proxy's own pages are");
  return prefix;
}

function readDeployments(problems: ProblemList, value: unknown): readonly DeploymentSpec[] {
  const list = problems.readList("deployments", value);
  if (list.length === 0 && Array.isArray(value)) problems.add("deployments", "must hold at least one deployment");
  if (list.length > MOST_DEPLOYMENTS) {
    problems.add("deployments", `holds ${list.length} deployments, more than ${MOST_DEPLOYMENTS}`);
  }
  const seen = new Set<string>();
  return list.slice(0, MOST_DEPLOYMENTS).map((entry, index) => {
    const given = problems.readRecord(joinPath("deployments", index), entry);
    const name = readDeploymentName(problems, `${joinPath("deployments", index)}.name`, given["name"]);
    const at = name === "" ? joinPath("deployments", index) : joinPath("deployments", name);
    problems.refuseUnknown(at, given, ["name", "version", "options", "hasAuthorize"]);
    if (name !== "" && seen.has(name)) problems.add(at, "is there twice; give one of them another name");
    seen.add(name);
    const version = problems.readText(
      `${at}.version`,
      given["version"],
      VERSION,
      "12 hexadecimal characters",
    ) as Version;
    const options = readDeploymentOptions(problems, at, given["options"]);
    const hasAuthorize = problems.readBoolean(`${at}.hasAuthorize`, given["hasAuthorize"], false);
    // Left out where it is not so: then a specification that was stored without it is the same.
    return { name, version, options, ...(hasAuthorize ? { hasAuthorize } : {}) };
  });
}

function readNativePackages(problems: ProblemList, value: unknown): readonly NativePackage[] {
  return problems.readList("nativePackages", value).map((entry, index) => {
    const at = joinPath("nativePackages", index);
    const given = isRecord(entry) ? entry : problems.readRecord(at, entry);
    return {
      name: problems.readText(`${at}.name`, given["name"], PACKAGE_NAME, "an npm package's name"),
      version: problems.readText(`${at}.version`, given["version"], PACKAGE_VERSION, "a version"),
    };
  });
}

function readDigest(problems: ProblemList, path: string, value: unknown): Digest {
  return problems.readText(path, value, DIGEST, "64 lower-case hexadecimal characters") as Digest;
}

function readBundlePath(problems: ProblemList, path: string, value: unknown): string {
  const text = problems.readText(path, value, /^[^\0\\]{1,1024}$/, "a relative path with forward slashes");
  const isSafe = text === "" || text.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  // A drive letter makes a path absolute on Windows, and a colon names a stream of a file there.
  if (isSafe && !/^[A-Za-z]:/.test(text)) return text;
  problems.add(path, "must stay inside the bundle: no absolute path, no empty, . or .. part");
  return "";
}

/** Notes a file that stands where another file needs a folder. */
function refuseFilesAsFolders(problems: ProblemList, paths: ReadonlySet<string>): void {
  for (const path of paths) {
    for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
      const folder = path.slice(0, slash);
      if (paths.has(folder)) problems.add("files", `${folder} is a file and a folder at once`);
    }
  }
}
