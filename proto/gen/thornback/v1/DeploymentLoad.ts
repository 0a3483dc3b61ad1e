// Original file: proto/thornback/v1/worker.proto

import type { VersionLoad as _thornback_v1_VersionLoad, VersionLoad__Output as _thornback_v1_VersionLoad__Output } from '../../thornback/v1/VersionLoad.ts';

export interface DeploymentLoad {
  'deployment'?: (string);
  'queued'?: (number);
  'ongoingMean'?: (number | string);
  'arrived'?: (number);
  'versions'?: (_thornback_v1_VersionLoad)[];
  'answered'?: (number);
}

export interface DeploymentLoad__Output {
  'deployment': (string);
  'queued': (number);
  'ongoingMean': (number);
  'arrived': (number);
  'versions': (_thornback_v1_VersionLoad__Output)[];
  'answered': (number);
}
