// Original file: proto/thornback/v1/worker.proto

import type { ExpectedRun as _thornback_v1_ExpectedRun, ExpectedRun__Output as _thornback_v1_ExpectedRun__Output } from '../../thornback/v1/ExpectedRun.ts';

export interface BatchReport {
  'method'?: (string);
  'maxBatchSize'?: (number);
  'waiting'?: (number);
  'expectedRuns'?: (_thornback_v1_ExpectedRun)[];
}

export interface BatchReport__Output {
  'method': (string);
  'maxBatchSize': (number);
  'waiting': (number);
  'expectedRuns': (_thornback_v1_ExpectedRun__Output)[];
}
