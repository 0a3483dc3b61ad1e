// Original file: proto/thornback/v1/worker.proto


export interface TrafficRule {
  'header'?: (string);
  'value'?: (string);
  'version'?: (string);
}

export interface TrafficRule__Output {
  'header': (string);
  'value': (string);
  'version': (string);
}
