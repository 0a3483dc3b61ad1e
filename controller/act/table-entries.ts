import { type DeploymentId, deploymentId, splitDeploymentId } from "../../core/ids.ts";
import type { DeploymentSpec } from "../../core/spec.ts";
import type { DeploymentEntry, ReplicaEntry, RouteEntry, TableEntry, TrafficSplit } from "../../core/table.ts";
import {
  type ApplicationRecord,
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  isFailing,
  isReady,
  type NodeRecord,
  type Release,
  releaseWith,
  type ReplicaRecord,
  replicasOf,
  routedRelease,
} from "../decide/cluster.ts";

/** The whole routing table that follows from a state. */
export function tableEntries(state: ClusterState): readonly TableEntry[] {
  const entries: TableEntry[] = [];
  const listed = new Set<DeploymentId>();
  const add = (id: DeploymentId, spec: DeploymentSpec): void => {
    if (listed.has(id)) return;
    listed.add(id);
    entries.push(deploymentEntry(state, id, spec));
  };
  for (const application of state.applications.values()) {
    const routed = routedRelease(application);
    if (routed !== undefined && !application.isDeleting) {
      entries.push(routeEntry(routed));
      const ingress = releaseWith(state, deploymentId(routed.spec.name, routed.spec.ingress));
      if (ingress !== undefined) add(deploymentId(routed.spec.name, routed.spec.ingress), ingress.spec);
    }
    const effective = effectiveRelease(application);
    if (effective !== undefined && !application.isDeleting) {
      for (const { id, spec } of deploymentsOf(effective)) add(id, spec);
    }
  }
  for (const replica of state.replicas.values()) {
    // A deployment that nobody wants any more stays known for as long as something of it runs.
    const found = listed.has(replica.deployment) ? undefined : releaseWith(state, replica.deployment);
    if (found !== undefined) add(replica.deployment, found.spec);
    const entry = replicaEntry(state, replica);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

/** Made once a release, OpenAPI document and all. */
const routeEntries = new WeakMap<Release, TableEntry & RouteEntry>();

function routeEntry(release: Release): TableEntry & RouteEntry {
  const known = routeEntries.get(release);
  if (known !== undefined) return known;
  const { spec } = release;
  const entry = {
    kind: "route",
    prefix: spec.routePrefix,
    application: spec.name,
    ingress: deploymentId(spec.name, spec.ingress),
    ingressKind: spec.ingressKind,
    openapi: JSON.stringify(spec.openapi ?? null),
    access: spec.access,
    cors: spec.cors,
  } as const;
  routeEntries.set(release, entry);
  return entry;
}

function deploymentEntry(state: ClusterState, id: DeploymentId, spec: DeploymentSpec): TableEntry & DeploymentEntry {
  const { maxQueuedRequests, requestTimeoutMs, maxRequestBodyBytes, idempotent, routing } = spec.options;
  return {
    kind: "deployment",
    id,
    ...availabilityOf(state, id),
    maxQueuedRequests,
    requestTimeoutMs,
    maxRequestBodyBytes,
    idempotent,
    routing,
    ...fallbackOf(id, spec),
    traffic: trafficOf(state, id),
  };
}

/** Oldest version first, so that a growing share takes sessions from the other only. */
function trafficOf(state: ClusterState, id: DeploymentId): TrafficSplit | undefined {
  const shift = state.shifts.get(id);
  if (shift === undefined) return undefined;
  const { from, to, percent, match } = shift;
  // A version that is not named at all is reached by its `verify` alone.
  const rules = match.map(({ header, value }) => ({ header, value, version: to }));
  if (percent === 0) return { shares: [{ version: from, percent: 100 }], rules };
  return {
    shares: [
      { version: from, percent: 100 - percent },
      { version: to, percent },
    ],
    rules,
  };
}

/**
 * What answers instead. A deployment that may rest without replicas is started by requests that wait for it, so they must
 * wait although there is a fallback; whoever keeps at least one replica has lost it, or does not have it yet.
 */
function fallbackOf(id: DeploymentId, { options }: DeploymentSpec): Partial<DeploymentEntry> {
  if (options.fallback === undefined) return {};
  const fallback = deploymentId(splitDeploymentId(id).application, options.fallback);
  return options.autoscaling?.minReplicas === 0 ? { fallback, startsOnRequest: true } : { fallback };
}

/**
 * Whether requests may wait for a deployment. They may while a start is in progress, a restart after a crash included;
 * they may not once the last start of everything that could serve has failed.
 */
function availabilityOf(state: ClusterState, id: DeploymentId): Pick<DeploymentEntry, "availability" | "reason"> {
  const running = replicasOf(state, id).filter(({ desired }) => desired === "run");
  if (running.some(isReady)) return { availability: "available", reason: "" };
  const target = state.targets.get(id);
  if (target?.reason === "startFailed") return { availability: "failed", reason: failureReason(state, id) };
  const placed = running.filter(({ node }) => node !== undefined);
  const failing = placed.find(isFailing);
  if (failing !== undefined && placed.every(isFailing)) {
    return { availability: "failed", reason: failing.report?.reason ?? "" };
  }
  const pending = running.find((replica) => replica.pending !== undefined)?.pending;
  return { availability: "starting", reason: pending?.reason ?? "no replica is ready yet" };
}

function failureReason(state: ClusterState, id: DeploymentId): string {
  const owner = (application: ApplicationRecord): boolean => application.failure?.deployment === id;
  return [...state.applications.values()].find(owner)?.failure?.reason ?? "";
}

/** What an entry is made from: a record and its node's labels, neither of which changes. */
const replicaEntries = new WeakMap<
  ReplicaRecord,
  { readonly entry: TableEntry & ReplicaEntry; readonly labels: NodeRecord["labels"] }
>();

/** Replicas of a lost node are gone from the state before anything is published. */
function replicaEntry(state: ClusterState, replica: ReplicaRecord): (TableEntry & ReplicaEntry) | undefined {
  const labels = (replica.node === undefined ? undefined : state.nodes.get(replica.node)?.labels) ?? NO_LABELS;
  const known = replicaEntries.get(replica);
  if (known?.labels === labels) return known.entry;
  const entry = newReplicaEntry(replica, labels);
  if (entry !== undefined) replicaEntries.set(replica, { entry, labels });
  return entry;
}

const NO_LABELS: NodeRecord["labels"] = {};

function newReplicaEntry(
  replica: ReplicaRecord,
  labels: NodeRecord["labels"],
): (TableEntry & ReplicaEntry) | undefined {
  const { id, deployment, version, node, report, desired } = replica;
  if (desired !== "run" || node === undefined || !isReady(replica) || report?.address === undefined) return undefined;
  const { address, callSecret, maxOngoingRequests } = report;
  const place = { node, zone: labels[ZONE_LABEL] ?? "", weight: weightOf(labels) };
  return { kind: "replica", id, deployment, version, ...place, address, callSecret, maxOngoingRequests };
}

/** Labels of nodes that routers go by. */
const [ZONE_LABEL, WEIGHT_LABEL] = ["zone", "thornback.weight"];

/** A label that is no number above 0 counts as none. */
function weightOf(labels: Readonly<Record<string, string>>): number {
  const weight = Number(labels[WEIGHT_LABEL] ?? 1);
  return Number.isFinite(weight) && weight > 0 ? weight : 1;
}
