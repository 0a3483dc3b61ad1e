// Original file: proto/thornback/v1/worker.proto

import type { AccessKey as _thornback_v1_AccessKey, AccessKey__Output as _thornback_v1_AccessKey__Output } from '../../thornback/v1/AccessKey.ts';
import type { Cors as _thornback_v1_Cors, Cors__Output as _thornback_v1_Cors__Output } from '../../thornback/v1/Cors.ts';

export interface RouteEntry {
  'prefix'?: (string);
  'application'?: (string);
  'ingress'?: (string);
  'ingressKind'?: (string);
  'openapi'?: (string);
  'accessKeys'?: (_thornback_v1_AccessKey)[];
  'cors'?: (_thornback_v1_Cors | null);
}

export interface RouteEntry__Output {
  'prefix': (string);
  'application': (string);
  'ingress': (string);
  'ingressKind': (string);
  'openapi': (string);
  'accessKeys': (_thornback_v1_AccessKey__Output)[];
  'cors': (_thornback_v1_Cors__Output | null);
}
