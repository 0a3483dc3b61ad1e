// Original file: proto/thornback/v1/worker.proto

import type { TableEntry as _thornback_v1_TableEntry, TableEntry__Output as _thornback_v1_TableEntry__Output } from '../../thornback/v1/TableEntry.ts';

export interface TableUpdate {
  'epoch'?: (number);
  'version'?: (number);
  'snapshot'?: (boolean);
  'baseVersion'?: (number);
  'upserts'?: (_thornback_v1_TableEntry)[];
  'removals'?: (string)[];
}

export interface TableUpdate__Output {
  'epoch': (number);
  'version': (number);
  'snapshot': (boolean);
  'baseVersion': (number);
  'upserts': (_thornback_v1_TableEntry__Output)[];
  'removals': (string)[];
}
