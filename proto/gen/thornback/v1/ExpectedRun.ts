// Original file: proto/thornback/v1/worker.proto


export interface ExpectedRun {
  'items'?: (number);
  'runMs'?: (number | string);
}

export interface ExpectedRun__Output {
  'items': (number);
  'runMs': (number);
}
