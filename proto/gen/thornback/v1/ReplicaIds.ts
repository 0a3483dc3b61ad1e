// Original file: proto/thornback/v1/worker.proto


export interface ReplicaIds {
  'replicas'?: (string)[];
}

export interface ReplicaIds__Output {
  'replicas': (string)[];
}
