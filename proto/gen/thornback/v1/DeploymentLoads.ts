// Original file: proto/thornback/v1/worker.proto

import type { DeploymentLoad as _thornback_v1_DeploymentLoad, DeploymentLoad__Output as _thornback_v1_DeploymentLoad__Output } from '../../thornback/v1/DeploymentLoad.ts';

export interface DeploymentLoads {
  'loads'?: (_thornback_v1_DeploymentLoad)[];
}

export interface DeploymentLoads__Output {
  'loads': (_thornback_v1_DeploymentLoad__Output)[];
}
