// Original file: proto/thornback/v1/worker.proto


export interface TrafficShare {
  'version'?: (string);
  'percent'?: (number | string);
}

export interface TrafficShare__Output {
  'version': (string);
  'percent': (number);
}
