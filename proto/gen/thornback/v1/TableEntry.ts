// Original file: proto/thornback/v1/worker.proto

import type { RouteEntry as _thornback_v1_RouteEntry, RouteEntry__Output as _thornback_v1_RouteEntry__Output } from '../../thornback/v1/RouteEntry.ts';
import type { DeploymentEntry as _thornback_v1_DeploymentEntry, DeploymentEntry__Output as _thornback_v1_DeploymentEntry__Output } from '../../thornback/v1/DeploymentEntry.ts';
import type { ReplicaEntry as _thornback_v1_ReplicaEntry, ReplicaEntry__Output as _thornback_v1_ReplicaEntry__Output } from '../../thornback/v1/ReplicaEntry.ts';

export interface TableEntry {
  'route'?: (_thornback_v1_RouteEntry | null);
  'deployment'?: (_thornback_v1_DeploymentEntry | null);
  'replica'?: (_thornback_v1_ReplicaEntry | null);
  'entry'?: "route"|"deployment"|"replica";
}

export interface TableEntry__Output {
  'route'?: (_thornback_v1_RouteEntry__Output | null);
  'deployment'?: (_thornback_v1_DeploymentEntry__Output | null);
  'replica'?: (_thornback_v1_ReplicaEntry__Output | null);
  'entry'?: "route"|"deployment"|"replica";
}
