import type { DeploymentId, Version } from "../../core/ids.ts";
import { deploymentId } from "../../core/ids.ts";
import type { DeploymentSpec } from "../../core/spec.ts";
import type { Signals } from "./autoscale.ts";
import type { ApplicationRecord, Release, ReplicaRecord, Target, TargetReason } from "./cluster.ts";
import { deploymentsOf, effectiveRelease } from "./cluster.ts";

/** What a deployment is to have. */
export type Wanted = {
  readonly deployment: DeploymentId;
  /** undefined: no version is wanted. */
  readonly version: Version | undefined;
  readonly target: number;
  readonly reason: TargetReason;
  /** What each signal of a deployment that scales by itself asked for. */
  readonly signals?: Signals | undefined;
};

/** A count that was decided elsewhere. */
export type Scaled = Pick<Wanted, "target" | "reason" | "signals">;

/**
 * How many replicas of which version each deployment of an application is to have. `replicas` are the application's,
 * whatever they are to become. Deployments nobody wants any more go last: as long as replicas that may call them run,
 * they stay, so that no request in progress loses what it depends on. `scaled` says what one that scales by itself is to
 * have; undefined for the others.
 */
export function target(
  application: ApplicationRecord,
  replicas: readonly ReplicaRecord[],
  scaled: (deployment: { readonly id: DeploymentId; readonly spec: DeploymentSpec }) => Scaled | undefined,
): readonly Wanted[] {
  const release = effectiveRelease(application);
  const effective = release === undefined ? [] : deploymentsOf(release);
  if (release === undefined || application.isDeleting) return deleting(application, replicas);

  const wanted = effective.map(({ id, spec }): Wanted => {
    const hasFailed = application.failure?.deployment === id && application.stable === 0;
    return {
      deployment: id,
      version: spec.version,
      ...(hasFailed
        ? { target: 0, reason: "startFailed" as const }
        : (scaled({ id, spec }) ?? declared(release, spec))),
    };
  });
  const versions = new Map<DeploymentId, Version>(effective.map(({ id, spec }) => [id, spec.version]));
  const isInProgress =
    application.failure === undefined && application.stable !== 0 && application.stable !== application.target;
  const haveCallers =
    isInProgress ||
    replicas.some(({ deployment, version }) => {
      const current = versions.get(deployment);
      return current !== undefined && current !== version;
    });
  const removed = new Set(replicas.map(({ deployment }) => deployment).filter((id) => !versions.has(id)));
  return [...wanted, ...[...removed].map((id) => unwanted(id, haveCallers ? "callersRemain" : "removed"))];
}

/** A count asked for by hand goes before the declared one. */
function declared({ scale }: Release, { name, options }: DeploymentSpec): Scaled {
  const manual = scale !== undefined && Object.hasOwn(scale, name) ? scale[name] : undefined;
  if (manual !== undefined) return { target: manual, reason: "scaledByHand" };
  return { target: options.numReplicas, reason: "declared" };
}

function deleting(application: ApplicationRecord, replicas: readonly ReplicaRecord[]): readonly Wanted[] {
  const ingresses = new Set(application.releases.map(({ spec }) => deploymentId(spec.name, spec.ingress)));
  const isIngressLeft = replicas.some(({ deployment }) => ingresses.has(deployment));
  const ids = new Set(replicas.map(({ deployment }) => deployment));
  return [...ids].map((id) => unwanted(id, ingresses.has(id) || !isIngressLeft ? "deleting" : "callersRemain"));
}

function unwanted(deployment: DeploymentId, reason: TargetReason): Wanted {
  return { deployment, version: undefined, target: 0, reason };
}

/** Counts that a release itself names. */
const NAMED_BY_RELEASE: readonly TargetReason[] = ["declared", "bounds", "initial"];

/**
 * What is wanted while a release is on its way. A count that it names lower is for when it serves: until then the version
 * before it does, and needs what it had. And one that may rest at none has a replica until it has shown that it starts.
 */
export function onItsWay(application: ApplicationRecord, wanted: Wanted, before: Target | undefined): Wanted {
  const { stable, target: given, failure, isDeleting } = application;
  if (stable === given || failure !== undefined || isDeleting || wanted.version === undefined) return wanted;
  if (wanted.target === 0 && wanted.reason === "initial") return { ...wanted, target: 1 };
  if (before === undefined || before.target <= wanted.target) return wanted;
  const isTooEarly =
    (wanted.reason === "idle" && wanted.target === 0) || (stable !== 0 && NAMED_BY_RELEASE.includes(wanted.reason));
  return isTooEarly ? { ...wanted, target: before.target, reason: before.reason, signals: undefined } : wanted;
}
