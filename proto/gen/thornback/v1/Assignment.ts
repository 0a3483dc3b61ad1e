// Original file: proto/thornback/v1/worker.proto

import type { AssignedReplica as _thornback_v1_AssignedReplica, AssignedReplica__Output as _thornback_v1_AssignedReplica__Output } from '../../thornback/v1/AssignedReplica.ts';

export interface Assignment {
  'epoch'?: (number);
  'generation'?: (number);
  'replicas'?: (_thornback_v1_AssignedReplica)[];
  'isDrained'?: (boolean);
}

export interface Assignment__Output {
  'epoch': (number);
  'generation': (number);
  'replicas': (_thornback_v1_AssignedReplica__Output)[];
  'isDrained': (boolean);
}
