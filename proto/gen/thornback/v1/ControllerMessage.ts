// Original file: proto/thornback/v1/worker.proto

import type { Assignment as _thornback_v1_Assignment, Assignment__Output as _thornback_v1_Assignment__Output } from '../../thornback/v1/Assignment.ts';
import type { Collect as _thornback_v1_Collect, Collect__Output as _thornback_v1_Collect__Output } from '../../thornback/v1/Collect.ts';
import type { Shutdown as _thornback_v1_Shutdown, Shutdown__Output as _thornback_v1_Shutdown__Output } from '../../thornback/v1/Shutdown.ts';
import type { Ask as _thornback_v1_Ask, Ask__Output as _thornback_v1_Ask__Output } from '../../thornback/v1/Ask.ts';

export interface ControllerMessage {
  'assign'?: (_thornback_v1_Assignment | null);
  'collect'?: (_thornback_v1_Collect | null);
  'shutdown'?: (_thornback_v1_Shutdown | null);
  'ask'?: (_thornback_v1_Ask | null);
  'message'?: "assign"|"collect"|"shutdown"|"ask";
}

export interface ControllerMessage__Output {
  'assign'?: (_thornback_v1_Assignment__Output | null);
  'collect'?: (_thornback_v1_Collect__Output | null);
  'shutdown'?: (_thornback_v1_Shutdown__Output | null);
  'ask'?: (_thornback_v1_Ask__Output | null);
  'message'?: "assign"|"collect"|"shutdown"|"ask";
}
