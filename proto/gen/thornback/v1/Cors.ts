// Original file: proto/thornback/v1/worker.proto


export interface Cors {
  'origins'?: (string)[];
  'methods'?: (string)[];
  'headers'?: (string)[];
  'exposedHeaders'?: (string)[];
  'credentials'?: (boolean);
  'maxAgeSeconds'?: (number);
}

export interface Cors__Output {
  'origins': (string)[];
  'methods': (string)[];
  'headers': (string)[];
  'exposedHeaders': (string)[];
  'credentials': (boolean);
  'maxAgeSeconds': (number);
}
