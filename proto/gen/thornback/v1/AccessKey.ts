// Original file: proto/thornback/v1/worker.proto


export interface AccessKey {
  'name'?: (string);
  'sha256'?: (string);
  'requestsPerSecond'?: (number | string);
  'burst'?: (number | string);
  'maxOngoingRequests'?: (number);
}

export interface AccessKey__Output {
  'name': (string);
  'sha256': (string);
  'requestsPerSecond': (number);
  'burst': (number);
  'maxOngoingRequests': (number);
}
