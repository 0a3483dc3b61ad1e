// Original file: proto/thornback/v1/worker.proto


export interface ReadBlobRequest {
  'digest'?: (string);
}

export interface ReadBlobRequest__Output {
  'digest': (string);
}
