import type { DeploymentId } from "../../core/ids.ts";
import { deploymentId } from "../../core/ids.ts";
import { type ApplicationRecord, effectiveRelease, type Release } from "./cluster.ts";

/** What becomes of a count that somebody asked for by hand. */
export type ScaleDecision =
  | { readonly kind: "refuse"; readonly reason: "unknown" | "deleting" }
  /** Autoscaling would never go there. */
  | { readonly kind: "refuse"; readonly reason: "outOfBounds"; readonly min: number; readonly max: number }
  | {
      readonly kind: "scale";
      readonly deployment: DeploymentId;
      /** What to store. */
      readonly record: ApplicationRecord;
      readonly isAutoscaled: boolean;
    };

/**
 * Decides over `serve scale`. A fixed count stays until a deploy names another `numReplicas`; with autoscaling it is
 * where autoscaling goes on from, and must be within its bounds.
 */
export function scale(application: ApplicationRecord | undefined, name: string, count: number): ScaleDecision {
  if (application === undefined) return { kind: "refuse", reason: "unknown" };
  const spec = effectiveRelease(application)?.spec.deployments.find((one) => one.name === name);
  if (spec === undefined) return { kind: "refuse", reason: "unknown" };
  if (application.isDeleting) return { kind: "refuse", reason: "deleting" };
  const { autoscaling } = spec.options;
  if (autoscaling !== undefined && (count < autoscaling.minReplicas || count > autoscaling.maxReplicas)) {
    const { minReplicas: min, maxReplicas: max } = autoscaling;
    return { kind: "refuse", reason: "outOfBounds", min, max };
  }
  return {
    kind: "scale",
    deployment: deploymentId(application.name, spec.name),
    record: { ...application, releases: application.releases.map((one) => scaled(application, one, { name, count })) },
    isAutoscaled: autoscaling !== undefined,
  };
}

/** The release on its way has the count, and the one that serves meanwhile: the latter may have to serve on. */
function scaled(
  application: ApplicationRecord,
  release: Release,
  { name, count }: { readonly name: string; readonly count: number },
): Release {
  const isInUse = release === effectiveRelease(application) || release.generation === application.stable;
  return isInUse ? { ...release, scale: { ...release.scale, [name]: count } } : release;
}

/** Counts asked for by hand that a deploy leaves in force: those of deployments whose declared count is as before. */
export function keptScale(before: Release | undefined, after: Release["spec"]): Readonly<Record<string, number>> {
  const kept: [name: string, count: number][] = [];
  for (const [name, count] of Object.entries(before?.scale ?? {})) {
    const old = before?.spec.deployments.find((one) => one.name === name)?.options;
    const now = after.deployments.find((one) => one.name === name)?.options;
    if (old === undefined || now === undefined || (old.autoscaling === undefined) !== (now.autoscaling === undefined)) {
      continue;
    }
    if (old.numReplicas === now.numReplicas) kept.push([name, count]);
  }
  return Object.fromEntries(kept);
}
