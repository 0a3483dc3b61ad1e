import { type DeploymentId, deploymentId } from "../../core/ids.ts";
import type { DeploymentSpec } from "../../core/spec.ts";
import type { DeploymentEntry, ReplicaEntry, RouteEntry, TableEntry } from "../../core/table.ts";
import {
  type ApplicationRecord,
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  isFailing,
  isReady,
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
    const found = releaseWith(state, replica.deployment);
    if (found !== undefined) add(replica.deployment, found.spec);
    const entry = replicaEntry(state, replica);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

/** OpenAPI documents as text, made once a release. */
const openapiTexts = new WeakMap<Release, string>();

function routeEntry(release: Release): TableEntry & RouteEntry {
  const { spec } = release;
  const openapi = openapiTexts.get(release) ?? JSON.stringify(spec.openapi ?? null);
  openapiTexts.set(release, openapi);
  return {
    kind: "route",
    prefix: spec.routePrefix,
    application: spec.name,
    ingress: deploymentId(spec.name, spec.ingress),
    ingressKind: spec.ingressKind,
    openapi,
    access: spec.access,
    cors: spec.cors,
  };
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
  };
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

/** Replicas of a lost node are gone from the state before anything is published. */
function replicaEntry(state: ClusterState, replica: ReplicaRecord): (TableEntry & ReplicaEntry) | undefined {
  const { id, deployment, version, node, report, desired } = replica;
  if (desired !== "run" || node === undefined || !isReady(replica) || report?.address === undefined) return undefined;
  const { address, callSecret, maxOngoingRequests } = report;
  const labels = state.nodes.get(node)?.labels ?? {};
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
