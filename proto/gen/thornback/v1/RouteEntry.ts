// Original file: proto/thornback/v1/worker.proto


export interface RouteEntry {
  'prefix'?: (string);
  'application'?: (string);
  'ingress'?: (string);
  'ingressKind'?: (string);
  'openapi'?: (string);
}

export interface RouteEntry__Output {
  'prefix': (string);
  'application': (string);
  'ingress': (string);
  'ingressKind': (string);
  'openapi': (string);
}
