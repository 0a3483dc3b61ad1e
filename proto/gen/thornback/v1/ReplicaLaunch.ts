// Original file: proto/thornback/v1/worker.proto

import type { NativePackage as _thornback_v1_NativePackage, NativePackage__Output as _thornback_v1_NativePackage__Output } from '../../thornback/v1/NativePackage.ts';

export interface ReplicaLaunch {
  'application'?: (string);
  'deployment'?: (string);
  'bundle'?: (string);
  'nativePackages'?: (_thornback_v1_NativePackage)[];
  'optionsJson'?: (string);
  'secrets'?: ({[key: string]: string});
  'gpus'?: (string)[];
}

export interface ReplicaLaunch__Output {
  'application': (string);
  'deployment': (string);
  'bundle': (string);
  'nativePackages': (_thornback_v1_NativePackage__Output)[];
  'optionsJson': (string);
  'secrets': ({[key: string]: string});
  'gpus': (string)[];
}
