import type { AccessSpec, CorsSpec } from "./access.ts";
import type { ApplicationName, DeploymentId, NodeId, ReplicaId, Version } from "./ids.ts";
import type { Address } from "./network.ts";
import type { IngressKind, RoutingPolicy } from "./spec.ts";

/** A path prefix and the ingress that answers under it. */
export type RouteEntry = {
  readonly prefix: string;
  readonly application: ApplicationName;
  readonly ingress: DeploymentId;
  readonly ingressKind: IngressKind;
  /** JSON text of the application's OpenAPI document, answered by the proxy at `<prefix>/openapi.json` of a predict ingress. */
  readonly openapi: string;
  /** Who may ask; undefined: everybody. */
  readonly access?: AccessSpec | undefined;
  /** Which web pages of other origins may ask; undefined: the application sees to that itself. */
  readonly cors?: CorsSpec | undefined;
};

/** What a router must know of a deployment. */
export type DeploymentEntry = {
  readonly id: DeploymentId;
  /** Why there may be nothing ready: a start is in progress (requests wait), or the last start failed (503 at once). */
  readonly availability: "available" | "starting" | "failed";
  /** The reason shown with a 503; empty when available. */
  readonly reason: string;
  readonly maxQueuedRequests: number;
  readonly requestTimeoutMs: number;
  readonly maxRequestBodyBytes: number;
  readonly idempotent: boolean;
  readonly routing: RoutingPolicy;
  /** Answers while this one cannot; undefined: then its requests fail. */
  readonly fallback?: DeploymentId | undefined;
  /**
   * It may have no replica on purpose, and a waiting request is what starts one: then requests wait, although there is
   * a fallback. undefined: false.
   */
  readonly startsOnRequest?: boolean | undefined;
  /** How requests are divided among versions; undefined: every listed replica may get any of them. */
  readonly traffic?: TrafficSplit | undefined;
};

/**
 * How routers divide a deployment's requests among its versions while several serve. A version that is named nowhere here
 * gets only requests that ask for it; one with 0 percent stands by, for when no other can serve.
 */
export type TrafficSplit = {
  /** Percent per version, together 100; oldest version first, so that a growing share takes sessions only from others. */
  readonly shares: readonly { readonly version: Version; readonly percent: number }[];
  /** A/B: a request whose header (lower case name) has this value goes to this version; the first that fits decides. */
  readonly rules: readonly { readonly header: string; readonly value: string; readonly version: Version }[];
};

/** Where something runs. */
export type Place = {
  /** Id of the node. */
  readonly node: string;
  /** Its label `zone`; empty without. */
  readonly zone: string;
};

/** A ready replica and how to reach it. */
export type ReplicaEntry = {
  readonly id: ReplicaId;
  readonly deployment: DeploymentId;
  readonly version: Version;
  readonly node: NodeId;
  /** The node's label `zone`; empty without. */
  readonly zone: string;
  /** The node's label `thornback.weight`: how much its replicas can do beside others'; 1 without. */
  readonly weight: number;
  readonly address: Address;
  /** Proves to the replica that a router may call it. */
  readonly callSecret: string;
  readonly maxOngoingRequests: number;
};

/** Key of an entry in a table: `route/<prefix>`, `deployment/<id>` or `replica/<id>`. */
export type TableKey = string;

/** One entry of the table. */
export type TableEntry =
  | ({ readonly kind: "route" } & RouteEntry)
  | ({ readonly kind: "deployment" } & DeploymentEntry)
  | ({ readonly kind: "replica" } & ReplicaEntry);

/**
 * A change of the routing table, or the whole of it. Versions only grow within an epoch; a new epoch (another
 * controller, or the same one restarted) begins with a snapshot.
 */
export type TableUpdate = {
  readonly epoch: number;
  readonly version: number;
  /** `snapshot`: `upserts` is everything. `delta`: applies on top of `baseVersion` of the same epoch. */
  readonly kind: "snapshot" | "delta";
  readonly baseVersion: number;
  readonly upserts: readonly TableEntry[];
  readonly removals: readonly TableKey[];
};

/** Under which key an entry stands. */
export function tableKey(entry: TableEntry): TableKey {
  return entry.kind === "route" ? `route/${entry.prefix}` : `${entry.kind}/${entry.id}`;
}
