// Original file: proto/thornback/v1/worker.proto

import type { CollectMetrics as _thornback_v1_CollectMetrics, CollectMetrics__Output as _thornback_v1_CollectMetrics__Output } from '../../thornback/v1/CollectMetrics.ts';
import type { CollectLogs as _thornback_v1_CollectLogs, CollectLogs__Output as _thornback_v1_CollectLogs__Output } from '../../thornback/v1/CollectLogs.ts';

export interface Collect {
  'id'?: (number);
  'metrics'?: (_thornback_v1_CollectMetrics | null);
  'logs'?: (_thornback_v1_CollectLogs | null);
  'what'?: "metrics"|"logs";
}

export interface Collect__Output {
  'id': (number);
  'metrics'?: (_thornback_v1_CollectMetrics__Output | null);
  'logs'?: (_thornback_v1_CollectLogs__Output | null);
  'what'?: "metrics"|"logs";
}
