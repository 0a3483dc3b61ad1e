// Original file: proto/thornback/v1/worker.proto


export interface Ask {
  'id'?: (string);
  'replica'?: (string);
  'questionJson'?: (string);
}

export interface Ask__Output {
  'id': (string);
  'replica': (string);
  'questionJson': (string);
}
