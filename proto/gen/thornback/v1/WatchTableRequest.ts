// Original file: proto/thornback/v1/worker.proto


export interface WatchTableRequest {
  'knownEpoch'?: (number);
  'knownVersion'?: (number);
}

export interface WatchTableRequest__Output {
  'knownEpoch': (number);
  'knownVersion': (number);
}
