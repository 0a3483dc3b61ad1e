import type { ApplicationName, DeploymentId, NodeId, ReplicaId, Version } from "../../core/ids.ts";
import type { DeploymentEntry, ReplicaEntry, RouteEntry, TableEntry, TableUpdate } from "../../core/table.ts";

/** The deployment that table entries of tests belong to. */
export const DEPLOYMENT = "app/Model" as DeploymentId;

/** A route to {@link DEPLOYMENT}. */
export function routeEntry(prefix: string, more: Partial<RouteEntry> = {}): Extract<TableEntry, { kind: "route" }> {
  const application = "app" as ApplicationName;
  return { kind: "route", prefix, application, ingress: DEPLOYMENT, ingressKind: "fetch", openapi: "", ...more };
}

/** {@link DEPLOYMENT}, with room for ten queued requests. */
export function deploymentEntry(more: Partial<DeploymentEntry> = {}): Extract<TableEntry, { kind: "deployment" }> {
  return {
    kind: "deployment",
    id: DEPLOYMENT,
    availability: "available",
    reason: "",
    maxQueuedRequests: 10,
    requestTimeoutMs: 60_000,
    maxRequestBodyBytes: 1_000,
    idempotent: false,
    routing: "leastOngoing",
    ...more,
  };
}

/** A replica of {@link DEPLOYMENT} with two slots. */
export function replicaEntry(id: string, more: Partial<ReplicaEntry> = {}): Extract<TableEntry, { kind: "replica" }> {
  return {
    kind: "replica",
    id: id as ReplicaId,
    deployment: DEPLOYMENT,
    version: "v1" as Version,
    node: "n1" as NodeId,
    zone: "",
    weight: 1,
    address: { host: "127.0.0.1", port: 1 },
    callSecret: "secret",
    maxOngoingRequests: 2,
    ...more,
  };
}

/** A whole table. */
export function snapshot(version: number, upserts: readonly TableEntry[]): TableUpdate {
  return { epoch: 1, version, kind: "snapshot", baseVersion: 0, upserts, removals: [] };
}
