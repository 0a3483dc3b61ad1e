// Original file: proto/thornback/v1/worker.proto


export interface Address {
  'host'?: (string);
  'port'?: (number);
}

export interface Address__Output {
  'host': (string);
  'port': (number);
}
