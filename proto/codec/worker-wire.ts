import type { RouteEntry, RouteEntry__Output } from "../gen/thornback/v1/RouteEntry.ts";

/** The generated message types under short names: `…In` is what may be sent, `…Out` what arrives. */
export type { Address as AddressIn, Address__Output as AddressOut } from "../gen/thornback/v1/Address.ts";
export type {
  AssignedReplica as AssignedReplicaIn,
  AssignedReplica__Output as AssignedReplicaOut,
} from "../gen/thornback/v1/AssignedReplica.ts";
export type { Cors as CorsIn, Cors__Output as CorsOut } from "../gen/thornback/v1/Cors.ts";
export type {
  ControllerMessage as ControllerMessageIn,
  ControllerMessage__Output as ControllerMessageOut,
} from "../gen/thornback/v1/ControllerMessage.ts";
export type {
  NodeReport as NodeReportIn,
  NodeReport__Output as NodeReportOut,
} from "../gen/thornback/v1/NodeReport.ts";
export type {
  NodeResources as NodeResourcesIn,
  NodeResources__Output as NodeResourcesOut,
} from "../gen/thornback/v1/NodeResources.ts";
export type {
  DeploymentLoad as DeploymentLoadIn,
  DeploymentLoad__Output as DeploymentLoadOut,
} from "../gen/thornback/v1/DeploymentLoad.ts";
export type { ReplicaLaunch__Output as ReplicaLaunchOut } from "../gen/thornback/v1/ReplicaLaunch.ts";
export type {
  ReplicaReport as ReplicaReportIn,
  ReplicaReport__Output as ReplicaReportOut,
} from "../gen/thornback/v1/ReplicaReport.ts";
export type {
  TableEntry as TableEntryIn,
  TableEntry__Output as TableEntryOut,
} from "../gen/thornback/v1/TableEntry.ts";
export type {
  TableUpdate as TableUpdateIn,
  TableUpdate__Output as TableUpdateOut,
} from "../gen/thornback/v1/TableUpdate.ts";
export type {
  TrafficSplit as TrafficSplitIn,
  TrafficSplit__Output as TrafficSplitOut,
} from "../gen/thornback/v1/TrafficSplit.ts";
export type {
  WorkerMessage as WorkerMessageIn,
  WorkerMessage__Output as WorkerMessageOut,
} from "../gen/thornback/v1/WorkerMessage.ts";

/** The part of a route that says who may ask. */
export type RouteAccessIn = Pick<RouteEntry, "accessKeys" | "cors">;
/** As {@link RouteAccessIn}, as it arrives. */
export type RouteAccessOut = Pick<RouteEntry__Output, "accessKeys" | "cors">;
