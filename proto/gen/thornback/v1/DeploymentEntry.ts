// Original file: proto/thornback/v1/worker.proto

import type { TrafficSplit as _thornback_v1_TrafficSplit, TrafficSplit__Output as _thornback_v1_TrafficSplit__Output } from '../../thornback/v1/TrafficSplit.ts';

export interface DeploymentEntry {
  'id'?: (string);
  'availability'?: (string);
  'reason'?: (string);
  'maxQueuedRequests'?: (number);
  'requestTimeoutMs'?: (number | string);
  'maxRequestBodyBytes'?: (number | string);
  'idempotent'?: (boolean);
  'routing'?: (string);
  'fallback'?: (string);
  'startsOnRequest'?: (boolean);
  'traffic'?: (_thornback_v1_TrafficSplit | null);
}

export interface DeploymentEntry__Output {
  'id': (string);
  'availability': (string);
  'reason': (string);
  'maxQueuedRequests': (number);
  'requestTimeoutMs': (number);
  'maxRequestBodyBytes': (number);
  'idempotent': (boolean);
  'routing': (string);
  'fallback': (string);
  'startsOnRequest': (boolean);
  'traffic': (_thornback_v1_TrafficSplit__Output | null);
}
