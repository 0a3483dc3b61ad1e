// Original file: proto/thornback/v1/worker.proto

import type { Address as _thornback_v1_Address, Address__Output as _thornback_v1_Address__Output } from '../../thornback/v1/Address.ts';
import type { BatchReport as _thornback_v1_BatchReport, BatchReport__Output as _thornback_v1_BatchReport__Output } from '../../thornback/v1/BatchReport.ts';

export interface ReplicaReport {
  'id'?: (string);
  'deployment'?: (string);
  'version'?: (string);
  'state'?: (string);
  'reason'?: (string);
  'pid'?: (number);
  'address'?: (_thornback_v1_Address | null);
  'callSecret'?: (string);
  'maxOngoingRequests'?: (number);
  'ongoing'?: (number);
  'provider'?: (string);
  'restarts'?: (number);
  'failedStarts'?: (number);
  'gpus'?: (string)[];
  'batches'?: (_thornback_v1_BatchReport)[];
  'utilisation'?: (number | string);
  'health'?: (string);
  'isRetiring'?: (boolean);
  'restartDelayMs'?: (number | string);
}

export interface ReplicaReport__Output {
  'id': (string);
  'deployment': (string);
  'version': (string);
  'state': (string);
  'reason': (string);
  'pid': (number);
  'address': (_thornback_v1_Address__Output | null);
  'callSecret': (string);
  'maxOngoingRequests': (number);
  'ongoing': (number);
  'provider': (string);
  'restarts': (number);
  'failedStarts': (number);
  'gpus': (string)[];
  'batches': (_thornback_v1_BatchReport__Output)[];
  'utilisation': (number);
  'health': (string);
  'isRetiring': (boolean);
  'restartDelayMs': (number);
}
