// Original file: proto/thornback/v1/worker.proto

import type { NodeResources as _thornback_v1_NodeResources, NodeResources__Output as _thornback_v1_NodeResources__Output } from '../../thornback/v1/NodeResources.ts';
import type { ReplicaReport as _thornback_v1_ReplicaReport, ReplicaReport__Output as _thornback_v1_ReplicaReport__Output } from '../../thornback/v1/ReplicaReport.ts';

export interface NodeRegistration {
  'node'?: (string);
  'incarnation'?: (number | string);
  'resources'?: (_thornback_v1_NodeResources | null);
  'labels'?: ({[key: string]: string});
  'replicas'?: (_thornback_v1_ReplicaReport)[];
  'epoch'?: (number);
}

export interface NodeRegistration__Output {
  'node': (string);
  'incarnation': (number);
  'resources': (_thornback_v1_NodeResources__Output | null);
  'labels': ({[key: string]: string});
  'replicas': (_thornback_v1_ReplicaReport__Output)[];
  'epoch': (number);
}
