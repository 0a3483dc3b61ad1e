// Original file: proto/thornback/v1/worker.proto

import type { ReplicaReport as _thornback_v1_ReplicaReport, ReplicaReport__Output as _thornback_v1_ReplicaReport__Output } from '../../thornback/v1/ReplicaReport.ts';

export interface ReplicaReports {
  'reports'?: (_thornback_v1_ReplicaReport)[];
}

export interface ReplicaReports__Output {
  'reports': (_thornback_v1_ReplicaReport__Output)[];
}
