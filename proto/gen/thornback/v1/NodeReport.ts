// Original file: proto/thornback/v1/worker.proto


export interface NodeReport {
  'httpUrl'?: (string);
  'reason'?: (string);
  'tableEpoch'?: (number);
  'tableVersion'?: (number);
  'isLeaving'?: (boolean);
}

export interface NodeReport__Output {
  'httpUrl': (string);
  'reason': (string);
  'tableEpoch': (number);
  'tableVersion': (number);
  'isLeaving': (boolean);
}
