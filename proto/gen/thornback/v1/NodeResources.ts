// Original file: proto/thornback/v1/worker.proto


export interface NodeResources {
  'cpus'?: (number | string);
  'memoryBytes'?: (number | string);
  'gpus'?: (string)[];
  'custom'?: ({[key: string]: number | string});
}

export interface NodeResources__Output {
  'cpus': (number);
  'memoryBytes': (number);
  'gpus': (string)[];
  'custom': ({[key: string]: number});
}
