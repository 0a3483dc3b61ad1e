import type { DeploymentId, Version } from "../../core/ids.ts";
import type { DeploymentStatus } from "../../core/status.ts";
import { isFailing, isReady, type ReplicaRecord } from "./cluster.ts";

/** What a deployment's status follows from. */
export type DeploymentStatusInput = {
  readonly deployment: DeploymentId;
  /** undefined: nobody wants it any more. */
  readonly version: Version | undefined;
  readonly target: number;
  /** The version served fully before. */
  readonly isStable: boolean;
  /** Why its application's newest release was given up, when this deployment was why. */
  readonly failure: string | undefined;
  /** All of it, whatever they are to become. */
  readonly replicas: readonly ReplicaRecord[];
};

/** A deployment's status, and why in words; empty when healthy. */
export type DeploymentStatusDecision = { readonly status: DeploymentStatus; readonly reason: string };

/** The status of one deployment: a pure function of what is known of it. */
export function deploymentStatus(input: DeploymentStatusInput): DeploymentStatusDecision {
  const { version, target, isStable, failure, replicas } = input;
  if (failure !== undefined) return { status: "deploy_failed", reason: failure };
  const running = replicas.filter(({ desired }) => desired === "run");
  const wanted = running.filter((replica) => replica.version === version);
  const ready = wanted.filter(isReady).length;
  const isOutdatedLeft = replicas.some((replica) => replica.version !== version && replica.desired !== "drain");
  if (version === undefined) return { status: "downscaling", reason: `${replicas.length} replicas are being removed` };
  if (!isStable || isOutdatedLeft) {
    if (ready >= target && !isOutdatedLeft) return { status: "healthy", reason: "" };
    return { status: "updating", reason: progress(wanted, ready, target) };
  }
  if (ready < target) {
    const isCrashed = wanted.some((replica) => isFailing(replica) || isRestarting(replica));
    const status = isCrashed || ready === 0 ? "unhealthy" : "upscaling";
    return { status, reason: progress(wanted, ready, target) };
  }
  const leaving = replicas.length - wanted.length;
  if (leaving > 0 && wanted.length === target && replicas.every((replica) => replica.version === version)) {
    return { status: "downscaling", reason: `${leaving} replicas drain` };
  }
  return { status: "healthy", reason: "" };
}

function isRestarting(replica: ReplicaRecord): boolean {
  return !isReady(replica) && (replica.report?.state === "failed" || (replica.report?.restarts ?? 0) > 0);
}

/** How far it is, and what it waits for: the first failure, else the first that has no node, else the first that starts. */
function progress(wanted: readonly ReplicaRecord[], ready: number, target: number): string {
  const so = `${ready} of ${target} replicas are ready`;
  const failing = wanted.find((replica) => isFailing(replica) || isRestarting(replica));
  if (failing !== undefined) return `${so}; ${failing.id}: ${failing.report?.reason ?? "it failed"}`;
  const pending = wanted.find((replica) => replica.pending !== undefined)?.pending;
  if (pending !== undefined) return `${so}; pending: ${pending.reason}`;
  const starting = wanted.find((replica) => !isReady(replica) && (replica.report?.reason ?? "") !== "");
  return starting === undefined ? so : `${so}; ${starting.report?.reason}`;
}
