// Original file: proto/thornback/v1/worker.proto


export interface VersionLoad {
  'version'?: (string);
  'answered'?: (number);
  'failed'?: (number);
  'latencies'?: (number)[];
  'sent'?: (number);
  'firstError'?: (string);
}

export interface VersionLoad__Output {
  'version': (string);
  'answered': (number);
  'failed': (number);
  'latencies': (number)[];
  'sent': (number);
  'firstError': (string);
}
