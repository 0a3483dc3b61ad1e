import type { DeploymentId } from "../../core/ids.ts";
import type { DeploymentSpec } from "../../core/spec.ts";
import { autoscale, type AutoscaleDecision } from "./autoscale.ts";
import { type ClusterState, isReady, replicasOf, type Target, type TargetReason } from "./cluster.ts";

/** A metric that was not told again for so long is not believed any more. */
export const METRIC_STALE_MS = 60_000;
/** However long a start takes, no more than so much of a growth is believed to go on throughout. */
export const LONGEST_START_MS = 30_000;
/** Targets that say nothing about what was asked of the deployment. */
const NO_COUNT: readonly TargetReason[] = ["startFailed", "removed", "callersRemain", "deleting"];

/** Whether a target says how many replicas a deployment is to have while it is wanted. */
export function isCount(target: Target | undefined): target is Target {
  return target !== undefined && !NO_COUNT.includes(target.reason);
}

/** What an autoscaled deployment is to have, by the whole of what is known; undefined: it does not scale by itself. */
export function autoscaled(
  state: ClusterState,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
  now: number,
): (Omit<AutoscaleDecision, "reason"> & { readonly reason: TargetReason }) | undefined {
  const { autoscaling } = spec.options;
  if (autoscaling === undefined) return undefined;
  const before = state.targets.get(id);
  const metric = state.metrics.get(id);
  const decision = autoscale(
    {
      spec: autoscaling,
      current: isCount(before) ? before.target : undefined,
      roseAt: before?.roseAt ?? Number.NEGATIVE_INFINITY,
      history: state.loads.get(id),
      startMs: startMsOf(state, id),
      metric: metric === undefined || now - metric.at > METRIC_STALE_MS ? undefined : metric.value,
      policy: autoscaling.hasPolicy ? policyOf(state, id) : undefined,
      isDeaf: isDeaf(state),
    },
    now,
  );
  const { reason } = decision;
  return { ...decision, reason: reason === "unchanged" ? (before?.reason ?? "initial") : reason };
}

/** A count that was answered while nothing was to run, or before, is not about what runs now. */
function policyOf({ policies, targets }: ClusterState, id: DeploymentId): number | undefined {
  const answer = policies.get(id);
  const wokeAt = targets.get(id)?.wokeAt;
  return answer === undefined || (wokeAt !== undefined && answer.at < wokeAt) ? undefined : answer.target;
}

/** The slowest first start of those that run now. */
function startMsOf(state: ClusterState, id: DeploymentId): number {
  let slowest = 0;
  for (const replica of replicasOf(state, id)) {
    if (isReady(replica)) slowest = Math.max(slowest, replica.startMs ?? 0);
  }
  return Math.min(slowest, LONGEST_START_MS);
}

/** Once for all deployments of a state. */
const deafness = new WeakMap<ClusterState["nodes"], boolean>();

/** A node whose routers cannot be heard may have any load. */
function isDeaf({ nodes }: ClusterState): boolean {
  const known = deafness.get(nodes);
  if (known !== undefined) return known;
  const isOneSuspect = [...nodes.values()].some(({ state }) => state === "suspect");
  deafness.set(nodes, isOneSuspect);
  return isOneSuspect;
}
