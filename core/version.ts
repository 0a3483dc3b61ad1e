import { createHash } from "node:crypto";
import type { Digest, Version } from "./ids.ts";
import type { DeploymentOptionsSpec, DeploymentSpec, NativePackage } from "./spec.ts";

/** One module or asset that a deployment's code consists of. The name is relative, so that checkouts agree on it. */
export type VersionedFile = { readonly name: string; readonly digest: Digest };

/** What makes two replicas of a deployment interchangeable. */
export type VersionInput = {
  readonly options: DeploymentOptionsSpec;
  /** Arguments of `bind`, rendered so that equal arguments give equal text (`sdk/argument-text.ts`). */
  readonly args: string;
  /** Modules reachable from the one that defines its class, in any order. */
  readonly modules: readonly VersionedFile[];
  /** Files its code may read, in any order. */
  readonly assets: readonly VersionedFile[];
  readonly nativePackages: readonly NativePackage[];
};

const VERSION_CHARACTERS = 12;

/**
 * The options that are part of a deployment's version. Those that its replicas do not read (replica counts, autoscaling, `rollout`,
 * limits at the router, `fallback`) and those they take in place (`userConfig`, health and shutdown times, `memoryLimitBytes`) are not.
 */
export function versionedOptions(options: DeploymentOptionsSpec): Partial<DeploymentOptionsSpec> {
  const { resources, placement, env, maxOngoingRequests, startTimeoutMs } = options;
  return { resources, placement, env, maxOngoingRequests, startTimeoutMs };
}

/** The version of a deployment. Values of secrets are not part of it. */
export function deploymentVersion(input: VersionInput): Version {
  const content = {
    options: versionedOptions(input.options),
    args: input.args,
    modules: sortedNames(input.modules),
    assets: sortedNames(input.assets),
    nativePackages: input.nativePackages.map(({ name, version }) => `${name}@${version}`).sort(),
  };
  return hash(stableJson(content));
}

/** The version of a whole application: changes when one of its deployments does. */
export function applicationVersion(deployments: readonly Pick<DeploymentSpec, "name" | "version">[]): Version {
  return hash(stableJson(deployments.map(({ name, version }) => `${name}@${version}`).sort()));
}

/** JSON text in which the order of an object's fields does not matter. Leaves out fields that are undefined. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) => {
    if (typeof field !== "object" || field === null || Array.isArray(field)) return field;
    return Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function sortedNames(files: readonly VersionedFile[]): readonly string[] {
  return files.map(({ name, digest }) => `${digest} ${name}`).sort();
}

function hash(text: string): Version {
  return createHash("sha256").update(text).digest("hex").slice(0, VERSION_CHARACTERS) as Version;
}
