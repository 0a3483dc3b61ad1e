import { type ApplicationName, type DeploymentId, splitDeploymentId } from "../../core/ids.ts";
import type { AutoscalingSpec } from "../../core/spec.ts";
import { type ClusterState, deploymentsOf, effectiveRelease } from "./cluster.ts";

/** How a deployment that is wanted scales by itself; undefined: it does not, or nobody wants it. */
export function autoscalingOf(
  { applications }: Pick<ClusterState, "applications">,
  deployment: DeploymentId,
): AutoscalingSpec | undefined {
  const application = applications.get(splitDeploymentId(deployment).application);
  const release = application === undefined || application.isDeleting ? undefined : effectiveRelease(application);
  if (release === undefined) return undefined;
  return deploymentsOf(release).find(({ id }) => id === deployment)?.spec.options.autoscaling;
}

/** What changes when an application did: a metric or an answer that its deployments no longer scale by is not kept. */
export function withoutUnused(state: ClusterState, name: ApplicationName): Pick<ClusterState, "metrics" | "policies"> {
  const isOther = (id: DeploymentId): boolean => splitDeploymentId(id).application !== name;
  const hasMetric = (id: DeploymentId): boolean => autoscalingOf(state, id)?.metric !== undefined;
  const hasPolicy = (id: DeploymentId): boolean => autoscalingOf(state, id)?.hasPolicy === true;
  return {
    metrics: kept(state.metrics, (id) => isOther(id) || hasMetric(id)),
    policies: kept(state.policies, (id) => isOther(id) || hasPolicy(id)),
  };
}

function kept<T>(
  told: ReadonlyMap<DeploymentId, T>,
  isKept: (id: DeploymentId) => boolean,
): ReadonlyMap<DeploymentId, T> {
  const used = [...told].filter(([id]) => isKept(id));
  return used.length === told.size ? told : new Map(used);
}
