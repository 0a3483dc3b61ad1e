import type { DeploymentId } from "../core/ids.ts";
import type { DeploymentEntry, ReplicaEntry, RouteEntry } from "../core/table.ts";
import type { RoutingTable } from "../core/table-state.ts";

/** A routing table, indexed the ways a request looks things up. Made once per table, never changed. */
export type RoutingView = {
  readonly epoch: number;
  readonly version: number;
  readonly routes: ReadonlyMap<string, RouteEntry>;
  /** Path segments of the longest prefix: `/a/b` has two. A match need not look further. */
  readonly mostPrefixSegments: number;
  readonly deployments: ReadonlyMap<DeploymentId, DeploymentEntry>;
  readonly replicas: ReadonlyMap<DeploymentId, readonly ReplicaEntry[]>;
};

/** Indexes a table. */
export function viewOf(table: RoutingTable): RoutingView {
  const routes = new Map<string, RouteEntry>();
  const deployments = new Map<DeploymentId, DeploymentEntry>();
  const replicas = new Map<DeploymentId, ReplicaEntry[]>();
  let mostPrefixSegments = 0;
  for (const entry of table.entries.values()) {
    if (entry.kind === "route") {
      routes.set(entry.prefix, entry);
      const segments = entry.prefix === "/" ? 0 : entry.prefix.split("/").length - 1;
      mostPrefixSegments = Math.max(mostPrefixSegments, segments);
    } else if (entry.kind === "deployment") {
      deployments.set(entry.id, entry);
    } else {
      const ofDeployment = replicas.get(entry.deployment);
      if (ofDeployment === undefined) replicas.set(entry.deployment, [entry]);
      else ofDeployment.push(entry);
    }
  }
  return { epoch: table.epoch, version: table.version, routes, mostPrefixSegments, deployments, replicas };
}
