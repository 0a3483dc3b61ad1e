// Original file: proto/thornback/v1/worker.proto

import type { ReplicaLaunch as _thornback_v1_ReplicaLaunch, ReplicaLaunch__Output as _thornback_v1_ReplicaLaunch__Output } from '../../thornback/v1/ReplicaLaunch.ts';

export interface AssignedReplica {
  'id'?: (string);
  'deployment'?: (string);
  'version'?: (string);
  'desired'?: (string);
  'launch'?: (_thornback_v1_ReplicaLaunch | null);
}

export interface AssignedReplica__Output {
  'id': (string);
  'deployment': (string);
  'version': (string);
  'desired': (string);
  'launch': (_thornback_v1_ReplicaLaunch__Output | null);
}
