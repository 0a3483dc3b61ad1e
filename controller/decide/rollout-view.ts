import type { DeploymentId, Version } from "../../core/ids.ts";
import {
  type ClusterState,
  isFailing,
  isReady,
  isServing,
  isSettled,
  releaseWith,
  type ReplicaRecord,
  replicasOf,
} from "./cluster.ts";
import { unprovenVersions } from "./unproven-versions.ts";
import type { RolloutReplica } from "./rollout.ts";

/** A deployment's replicas as its rollout sees them; `wanted` is the version that is to run. */
export function rolloutViews(
  state: ClusterState,
  { deployment, wanted }: { readonly deployment: DeploymentId; readonly wanted: Version | undefined },
  now: number,
): readonly RolloutReplica[] {
  const unproven = unprovenVersions(state, deployment);
  return replicasOf(state, deployment).map((replica) => {
    const isUnknown = releaseWith(state, deployment, replica.version) === undefined;
    // What a kept release describes and another has replaced is surely not wanted, so no report is to be waited for.
    const isSurelyOutdated = !isUnknown && replica.version !== wanted;
    const held = isHeld(state, replica, now) && !isSurelyOutdated;
    return view(state, replica, { isUnknown, isUnproven: unproven.has(replica.version), isHeld: held }, now);
  });
}

/** The controller has just started: what is not wanted now may be, once every worker has reported. */
export function isHeld(state: ClusterState, replica: ReplicaRecord, now: number): boolean {
  return replica.isAdopted && now < state.graceUntil;
}

function view(
  state: ClusterState,
  replica: ReplicaRecord,
  { isUnknown, isUnproven, isHeld }: Pick<RolloutReplica, "isUnknown" | "isUnproven" | "isHeld">,
  now: number,
): RolloutReplica {
  return {
    isUnknown,
    isUnproven,
    isHeld,
    id: replica.id,
    version: replica.version,
    node: replica.node,
    desired: replica.desired,
    isReady: isReady(replica),
    isServing: isServing(state, replica, now),
    leaving: leavingOf(state, replica),
    isFailing: isFailing(replica),
    failedStarts: replica.report?.failedStarts ?? 0,
    restarts: replica.report?.restarts ?? 0,
    reason: replica.report?.reason ?? "",
    isUnlisted: isSettled(state, replica.unlisted, now),
    createdAt: replica.createdAt,
  };
}

function leavingOf(state: ClusterState, { node, report }: ReplicaRecord): RolloutReplica["leaving"] {
  if (node !== undefined && state.drains.has(node)) return "nodeDrains";
  return report?.isRetiring === true ? "retires" : undefined;
}

/** Replicas of a deployment in one version that take requests from every router. */
export function servingCount(
  state: ClusterState,
  { deployment, version }: { readonly deployment: DeploymentId; readonly version: Version },
  now: number,
): number {
  const replicas = replicasOf(state, deployment);
  return replicas.filter((replica) => replica.version === version && isServing(state, replica, now)).length;
}
