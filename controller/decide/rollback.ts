import type { ApplicationSpec } from "../../core/spec.ts";
import { applicationVersion } from "../../core/version.ts";
import type { DeployInput } from "./deploy.ts";
import { type ApplicationRecord, effectiveRelease, type Release } from "./cluster.ts";

/** Shorter beginnings of a version may name several by accident. */
export const FEWEST_VERSION_CHARACTERS = 6;

/** A kept release, as a person chooses among them. */
export type KeptVersion = {
  readonly version: string;
  readonly generation: number;
  /** It is the one that runs, or is on its way. */
  readonly isCurrent: boolean;
};

/** Which release is deployed again, or why none. */
export type RollbackDecision =
  | { readonly kind: "deploy"; readonly input: DeployInput; readonly version: string }
  | { readonly kind: "refuse"; readonly reason: "noneBefore" | "unknownVersion" | "severalVersions" | "tooShort" };

/**
 * Chooses the release that `serve rollback` deploys again: the one that starts with `version`, or has a deployment whose version does, else the newest that
 * served before the current one. Secrets keep the values they have now, because a key that was renewed must not come
 * back with old code.
 */
export function rollback(application: ApplicationRecord, version: string | undefined): RollbackDecision {
  const current = effectiveRelease(application);
  if (version !== undefined && version.length < FEWEST_VERSION_CHARACTERS)
    return { kind: "refuse", reason: "tooShort" };
  const chosen = version === undefined ? servedBefore(application, current) : named(application, version);
  if (typeof chosen === "string") return { kind: "refuse", reason: chosen };
  const { spec, scale = {} } = chosen;
  const input = { spec, scale, secrets: { ...chosen.secrets, ...ofThoseNames(chosen, current) } };
  return { kind: "deploy", input, version: versionOf(spec) };
}

/** The kept releases, newest first, each version once. */
export function keptVersions(application: ApplicationRecord): readonly KeptVersion[] {
  const current = effectiveRelease(application);
  const kept = new Map<string, KeptVersion>();
  for (const { spec, generation } of application.releases) {
    const version = versionOf(spec);
    const isCurrent = generation === current?.generation || kept.get(version)?.isCurrent === true;
    kept.set(version, { generation: kept.get(version)?.generation ?? generation, version, isCurrent });
  }
  return [...kept.values()];
}

function servedBefore(application: ApplicationRecord, current: Release | undefined): Release | "noneBefore" {
  const older = application.releases.filter(({ generation }) => generation < (current?.generation ?? 0));
  const served = older.find(({ hasServed, generation }) => hasServed === true || generation === application.stable);
  return served ?? "noneBefore";
}

function named(application: ApplicationRecord, start: string): Release | "unknownVersion" | "severalVersions" {
  // A person may have a deployment's version at hand: it is in status, and in the answers.
  const isNamed = ({ spec }: Release): boolean =>
    versionOf(spec).startsWith(start) || spec.deployments.some(({ version }) => version.startsWith(start));
  const matching = application.releases.filter(isNamed);
  if (new Set(matching.map(({ spec }) => versionOf(spec))).size > 1) return "severalVersions";
  return matching[0] ?? "unknownVersion";
}

function ofThoseNames({ secrets }: Release, current: Release | undefined): Readonly<Record<string, string>> {
  const known = Object.entries(current?.secrets ?? {});
  return Object.fromEntries(known.filter(([name]) => Object.hasOwn(secrets, name)));
}

/** Versions are asked for with every look at an application. */
const versions = new WeakMap<ApplicationSpec, string>();

function versionOf(spec: ApplicationSpec): string {
  const version = versions.get(spec) ?? applicationVersion(spec.deployments);
  versions.set(spec, version);
  return version;
}
