import { type DeploymentId, type DeploymentName, splitDeploymentId, type Version } from "../../core/ids.ts";
import type { DeploymentSpec } from "../../core/spec.ts";
import { type ApplicationRecord, type ClusterState, effectiveRelease, releaseOf, storedStage } from "./cluster.ts";
import { firstStage } from "./rollout-stage.ts";

/**
 * Versions that no user's request may reach without a share of their own, however much is missing of the version that
 * serves: they were given up, or another release took their place, before they had passed what their rollout asks of them.
 * One that was taking over replica by replica had passed it, and what serves of it serves on until it is replaced.
 */

/** A release that served whole has the version: what it does is known. */
export function isKnown({ releases }: ApplicationRecord, { name, version }: DeploymentSpec): boolean {
  return releases.some(
    ({ hasServed, spec }) =>
      hasServed === true && spec.deployments.some((one) => one.name === name && one.version === version),
  );
}

/** Deployments of an application's target that have not passed what their rollout asks of their new version. */
export function unprovenDeployments(application: ApplicationRecord): readonly DeploymentName[] {
  const { target, stable, isDeleting } = application;
  const [wanted, serving] = [releaseOf(application, target), releaseOf(application, stable)];
  if (wanted === undefined || serving === undefined || target === stable || isDeleting) return [];
  const unproven = wanted.spec.deployments.filter((spec) => {
    const from = serving.spec.deployments.find(({ name }) => name === spec.name)?.version;
    if (from === undefined || from === spec.version) return false;
    const reached = storedStage(application, spec.name)?.stage;
    const stage = reached ?? firstStage(spec.options.rollout, isKnown(application, spec));
    return stage.kind !== "rolling";
  });
  return unproven.map(({ name }) => name);
}

const NONE: ReadonlySet<Version> = new Set();

/** Versions of a deployment that are not the wanted one and must not serve in its stead. */
export function unprovenVersions(
  { applications }: Pick<ClusterState, "applications">,
  deployment: DeploymentId,
): ReadonlySet<Version> {
  const { application: applicationName, deployment: name } = splitDeploymentId(deployment);
  const application = applications.get(applicationName);
  if (application === undefined || application.isDeleting) return NONE;
  const wanted = effectiveRelease(application)?.spec.deployments.find((one) => one.name === name)?.version;
  const failed = application.failure === undefined ? [] : unprovenDeployments(application);
  if (failed.length === 0 && application.releases.every((release) => release.unproven === undefined)) return NONE;
  const unproven = new Set<Version>();
  for (const release of application.releases) {
    const names = release.generation === application.target ? failed : (release.unproven ?? []);
    if (names.length === 0) continue;
    const spec = release.spec.deployments.find((one) => one.name === name);
    if (spec === undefined || !names.includes(spec.name) || spec.version === wanted) continue;
    if (!isKnown(application, spec)) unproven.add(spec.version);
  }
  return unproven;
}
