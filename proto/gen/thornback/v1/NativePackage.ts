// Original file: proto/thornback/v1/worker.proto


export interface NativePackage {
  'name'?: (string);
  'version'?: (string);
}

export interface NativePackage__Output {
  'name': (string);
  'version': (string);
}
