// Original file: proto/thornback/v1/worker.proto


export interface DeploymentEntry {
  'id'?: (string);
  'availability'?: (string);
  'reason'?: (string);
  'maxQueuedRequests'?: (number);
  'requestTimeoutMs'?: (number | string);
  'maxRequestBodyBytes'?: (number | string);
  'idempotent'?: (boolean);
  'routing'?: (string);
}

export interface DeploymentEntry__Output {
  'id': (string);
  'availability': (string);
  'reason': (string);
  'maxQueuedRequests': (number);
  'requestTimeoutMs': (number);
  'maxRequestBodyBytes': (number);
  'idempotent': (boolean);
  'routing': (string);
}
