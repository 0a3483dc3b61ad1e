// Original file: proto/thornback/v1/worker.proto

import type { Address as _thornback_v1_Address, Address__Output as _thornback_v1_Address__Output } from '../../thornback/v1/Address.ts';

export interface ReplicaEntry {
  'id'?: (string);
  'deployment'?: (string);
  'version'?: (string);
  'node'?: (string);
  'address'?: (_thornback_v1_Address | null);
  'callSecret'?: (string);
  'maxOngoingRequests'?: (number);
  'zone'?: (string);
  'weight'?: (number | string);
}

export interface ReplicaEntry__Output {
  'id': (string);
  'deployment': (string);
  'version': (string);
  'node': (string);
  'address': (_thornback_v1_Address__Output | null);
  'callSecret': (string);
  'maxOngoingRequests': (number);
  'zone': (string);
  'weight': (number);
}
