// Original file: proto/thornback/v1/worker.proto

import type { TrafficShare as _thornback_v1_TrafficShare, TrafficShare__Output as _thornback_v1_TrafficShare__Output } from '../../thornback/v1/TrafficShare.ts';
import type { TrafficRule as _thornback_v1_TrafficRule, TrafficRule__Output as _thornback_v1_TrafficRule__Output } from '../../thornback/v1/TrafficRule.ts';

export interface TrafficSplit {
  'shares'?: (_thornback_v1_TrafficShare)[];
  'rules'?: (_thornback_v1_TrafficRule)[];
}

export interface TrafficSplit__Output {
  'shares': (_thornback_v1_TrafficShare__Output)[];
  'rules': (_thornback_v1_TrafficRule__Output)[];
}
