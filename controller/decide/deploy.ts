import type { ApplicationName } from "../../core/ids.ts";
import { VERSIONS_KEPT } from "../../core/limits.ts";
import { isSameData } from "../../core/same-data.ts";
import type { ApplicationSpec, DeploymentSpec } from "../../core/spec.ts";
import { type ApplicationRecord, effectiveRelease, type Release } from "./cluster.ts";
import { keptScale } from "./scale.ts";
import { unprovenDeployments } from "./unproven-versions.ts";

/** What a deploy changes, by deployment name. */
export type DeployPlan = {
  /** Their replicas are replaced. */
  readonly changed: readonly string[];
  /** They take the change while they run, or only routers and counts do. */
  readonly reconfigured: readonly string[];
  readonly unchanged: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The prefix it answers under once it serves, where that is another than before; undefined: as before, or new. */
  readonly routePrefix: string | undefined;
  /** Whether the values of secrets differ; replicas that run keep those they were started with. */
  readonly hasOtherSecrets: boolean;
  /** Whether its keys, their limits or its CORS differ; proxies take the new ones once it serves. */
  readonly hasOtherAccess: boolean;
};

/** A deploy's outcome. */
export type DeployDecision = {
  readonly plan: DeployPlan;
  /** What to store; undefined: nothing changes. */
  readonly record: ApplicationRecord | undefined;
};

/** An application as somebody wants it. `scale`: counts set by hand that it had before, where it goes back to it. */
export type DeployInput = Pick<Release, "spec" | "secrets" | "scale">;

/**
 * What deploying `input` over what is there means. The same specification again changes nothing, unless the one before
 * was given up or is being deleted: then it is tried again.
 */
export function deploy(before: ApplicationRecord | undefined, input: DeployInput): DeployDecision {
  const current = before === undefined || before.isDeleting ? undefined : effectiveRelease(before);
  const plan = planOf(current, input);
  const isRetry = before?.failure !== undefined || before?.isDeleting === true;
  if (current !== undefined && !isRetry && isSame(current, input)) return { plan, record: undefined };
  return { plan, record: withRelease(before, current, input) };
}

/** The route prefix belongs to another application, which is named. One that is being deleted answers no more. */
export function routeOwner(
  applications: Iterable<ApplicationRecord>,
  spec: Pick<ApplicationSpec, "name" | "routePrefix">,
): ApplicationName | undefined {
  for (const application of applications) {
    if (application.name === spec.name || application.isDeleting) continue;
    const inUse = application.releases.filter(
      ({ generation }) => generation === application.target || generation === application.stable,
    );
    if (inUse.some((release) => release.spec.routePrefix === spec.routePrefix)) return application.name;
  }
  return undefined;
}

function withRelease(
  before: ApplicationRecord | undefined,
  current: Release | undefined,
  input: DeployInput,
): ApplicationRecord {
  const { spec, secrets } = input;
  const generation = (before?.releases[0]?.generation ?? 0) + 1;
  const wasServed = releasesOf(before).some((other) => other.hasServed === true && isSame(other, { spec, secrets }));
  const scale = { ...input.scale, ...keptScale(current, spec) };
  const release: Release = { generation, spec, secrets, scale, ...(wasServed ? { hasServed: true } : {}) };
  const stable = before?.isDeleting === true ? 0 : (before?.stable ?? 0);
  // What is deployed again, by a rollback say, is kept once: going to and fro must not push the others out.
  const older = releasesOf(before).filter((other) => other.generation === stable || !isSame(other, { spec, secrets }));
  const kept = older.filter((other, i) => i < VERSIONS_KEPT || other.generation === stable);
  return {
    name: spec.name,
    releases: [release, ...kept],
    target: generation,
    stable,
    failure: undefined,
    isDeleting: false,
  };
}

/** Kept releases, the last one with what became of it: what it had not passed it never will. */
function releasesOf(before: ApplicationRecord | undefined): readonly Release[] {
  if (before === undefined) return [];
  const unproven = unprovenDeployments(before);
  if (unproven.length === 0) return before.releases;
  return before.releases.map((release) => (release.generation === before.target ? { ...release, unproven } : release));
}

function planOf(current: Release | undefined, { spec: after, secrets }: DeployInput): DeployPlan {
  const before = current?.spec;
  const old = new Map<string, DeploymentSpec>((before?.deployments ?? []).map((spec) => [spec.name, spec]));
  const names = new Set<string>(after.deployments.map(({ name }) => name));
  const inBoth = after.deployments.flatMap((spec) => {
    const was = old.get(spec.name);
    return was === undefined ? [] : [{ spec, was }];
  });
  const sameVersion = inBoth.filter(({ spec, was }) => spec.version === was.version);
  const isSameOptions = ({ spec, was }: (typeof inBoth)[number]): boolean => isSameData(spec.options, was.options);
  return {
    changed: inBoth.filter(({ spec, was }) => spec.version !== was.version).map(({ spec }) => spec.name),
    reconfigured: sameVersion.filter((one) => !isSameOptions(one)).map(({ spec }) => spec.name),
    unchanged: sameVersion.filter(isSameOptions).map(({ spec }) => spec.name),
    added: after.deployments.filter(({ name }) => !old.has(name)).map(({ name }) => name),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    routePrefix: before === undefined || before.routePrefix === after.routePrefix ? undefined : after.routePrefix,
    hasOtherSecrets: current !== undefined && !isSameData(current.secrets, secrets),
    hasOtherAccess: before !== undefined && !isSameData(accessOf(before), accessOf(after)),
  };
}

function accessOf({ access, cors }: ApplicationSpec): Pick<ApplicationSpec, "access" | "cors"> {
  return { access, cors };
}

/**
 * The bundle's digest is left out on purpose: source maps and a comment change it, and versions, which say whether
 * replicas are interchangeable, do not.
 */
function isSame(release: Release, { spec, secrets }: DeployInput): boolean {
  const what = (one: ApplicationSpec): unknown => ({ ...one, bundle: "" });
  return isSameData(what(release.spec), what(spec)) && isSameData(release.secrets, secrets);
}
