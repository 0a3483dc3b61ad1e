// Original file: proto/thornback/v1/worker.proto


export interface CollectLogs {
  'deployment'?: (string);
  'lines'?: (number);
}

export interface CollectLogs__Output {
  'deployment': (string);
  'lines': (number);
}
