import type {
  AssignedReplica,
  NodeReport,
  NodeResources,
  ReplicaLaunch,
  ReplicaReport,
} from "../../core/assignment.ts";
import { InvalidRequestError } from "../../core/error.ts";
import type { ApplicationName, DeploymentId, DeploymentName, Digest, ReplicaId, Version } from "../../core/ids.ts";
import type { Address } from "../../core/network.ts";
import type { ReplicaHealth, ReplicaState } from "../../core/replica-state.ts";
import type { DeploymentOptionsSpec } from "../../core/spec.ts";
import type * as wire from "./worker-wire.ts";

const STATES: readonly string[] = ["starting", "ready", "draining", "stopped", "failed"] satisfies ReplicaState[];
const HEALTHS: readonly string[] = ["beating", "busy", "blocked"] satisfies ReplicaHealth[];

/** An address on the wire; absent and undefined mean each other. */
export function addressToWire(address: Address | undefined): wire.AddressIn | undefined {
  return address === undefined ? undefined : { host: address.host, port: address.port };
}

/** The reverse of {@link addressToWire}. */
export function addressFromWire(message: wire.AddressOut | null | undefined): Address | undefined {
  return message === null || message === undefined ? undefined : { host: message.host, port: message.port };
}

/** A replica's report, for the wire. */
export function replicaReportToWire(report: ReplicaReport): wire.ReplicaReportIn {
  const { address, gpus, batches, ...rest } = report;
  const wireBatches = batches.map((batch) => ({ ...batch, expectedRuns: [...batch.expectedRuns] }));
  return {
    ...rest,
    gpus: [...gpus],
    batches: wireBatches,
    ...(address === undefined ? {} : { address: addressToWire(address) ?? null }),
  };
}

/**
 * The reverse of {@link replicaReportToWire}.
 *
 * @throws {InvalidRequestError} when the state is none that exists
 */
export function replicaReportFromWire(message: wire.ReplicaReportOut): ReplicaReport {
  if (!STATES.includes(message.state)) {
    throw new InvalidRequestError(
      `replica ${message.id} reports the unknown state "${message.state}"; update the worker`,
    );
  }
  return {
    id: message.id as ReplicaId,
    deployment: message.deployment as DeploymentId,
    version: message.version as Version,
    state: message.state as ReplicaState,
    reason: message.reason,
    pid: message.pid,
    address: addressFromWire(message.address),
    callSecret: message.callSecret,
    maxOngoingRequests: message.maxOngoingRequests,
    ongoing: message.ongoing,
    utilisation: message.utilisation,
    // An older worker says nothing, and what a newer one might say is not known here: neither is a reason to act.
    health: HEALTHS.includes(message.health) ? (message.health as ReplicaHealth) : "beating",
    isRetiring: message.isRetiring,
    provider: message.provider,
    batches: message.batches,
    restarts: message.restarts,
    restartDelayMs: message.restartDelayMs,
    failedStarts: message.failedStarts,
    gpus: message.gpus,
  };
}

/** What a node offers, for the wire. */
export function nodeResourcesToWire(resources: NodeResources): wire.NodeResourcesIn {
  return { ...resources, gpus: [...resources.gpus], custom: { ...resources.custom } };
}

/** The reverse of {@link nodeResourcesToWire}; a missing message offers nothing. */
export function nodeResourcesFromWire(message: wire.NodeResourcesOut | null | undefined): NodeResources {
  return {
    cpus: message?.cpus ?? 0,
    memoryBytes: message?.memoryBytes ?? 0,
    gpus: message?.gpus ?? [],
    custom: message?.custom ?? {},
  };
}

/** A heartbeat's contents, for the wire. */
export function nodeReportToWire(report: NodeReport): wire.NodeReportIn {
  return { ...report };
}

/** The reverse of {@link nodeReportToWire}. */
export function nodeReportFromWire(message: wire.NodeReportOut): NodeReport {
  const { httpUrl, reason, tableEpoch, tableVersion, isLeaving } = message;
  return { httpUrl, reason, tableEpoch, tableVersion, ...(isLeaving ? { isLeaving } : {}) };
}

/** One assigned replica, for the wire. */
export function assignedReplicaToWire(replica: AssignedReplica): wire.AssignedReplicaIn {
  const { launch } = replica;
  return {
    id: replica.id,
    deployment: replica.deployment,
    version: replica.version,
    desired: replica.desired,
    launch: {
      application: launch.application,
      deployment: launch.deployment,
      bundle: launch.bundle,
      nativePackages: launch.nativePackages.map(({ name, version }) => ({ name, version })),
      optionsJson: optionsToJson(launch.options),
      secrets: { ...launch.secrets },
      gpus: [...launch.gpus],
    },
  };
}

/**
 * The reverse of {@link assignedReplicaToWire}.
 *
 * @throws {InvalidRequestError} when a part is missing or none that exists
 */
export function assignedReplicaFromWire(message: wire.AssignedReplicaOut): AssignedReplica {
  const { desired } = message;
  if (desired !== "run" && desired !== "drain") {
    throw new InvalidRequestError(`replica ${message.id} is assigned the unknown wish "${desired}"; update the worker`);
  }
  return {
    id: message.id as ReplicaId,
    deployment: message.deployment as DeploymentId,
    version: message.version as Version,
    desired,
    launch: launchFromWire(message.id, message.launch),
  };
}

function launchFromWire(id: string, message: wire.ReplicaLaunchOut | null): ReplicaLaunch {
  if (message === null)
    throw new InvalidRequestError(`replica ${id} is assigned without a launch; update the controller`);
  return {
    application: message.application as ApplicationName,
    deployment: message.deployment as DeploymentName,
    bundle: message.bundle as Digest,
    nativePackages: message.nativePackages.map(({ name, version }) => ({ name, version })),
    options: optionsFromJson(message.optionsJson),
    secrets: message.secrets,
    gpus: message.gpus,
  };
}

/** All replicas of a deployment have the same options, and are told again with every change of an assignment. */
const texts = new WeakMap<DeploymentOptionsSpec, string>();

function optionsToJson(options: DeploymentOptionsSpec): string {
  const text = texts.get(options) ?? JSON.stringify(options);
  texts.set(options, text);
  return text;
}

/** JSON drops members that are undefined; the type promises that these are there. */
function optionsFromJson(json: string): DeploymentOptionsSpec {
  const parsed = JSON.parse(json) as Partial<DeploymentOptionsSpec>;
  return {
    ...({ autoscaling: undefined, maxOngoingRequests: undefined, userConfig: undefined } as object),
    ...parsed,
  } as DeploymentOptionsSpec;
}
