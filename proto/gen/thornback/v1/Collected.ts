// Original file: proto/thornback/v1/worker.proto


export interface Collected {
  'id'?: (number);
  'text'?: (string);
}

export interface Collected__Output {
  'id': (number);
  'text': (string);
}
