// Original file: proto/thornback/v1/worker.proto

import type { NodeRegistration as _thornback_v1_NodeRegistration, NodeRegistration__Output as _thornback_v1_NodeRegistration__Output } from '../../thornback/v1/NodeRegistration.ts';
import type { NodeReport as _thornback_v1_NodeReport, NodeReport__Output as _thornback_v1_NodeReport__Output } from '../../thornback/v1/NodeReport.ts';
import type { ReplicaReports as _thornback_v1_ReplicaReports, ReplicaReports__Output as _thornback_v1_ReplicaReports__Output } from '../../thornback/v1/ReplicaReports.ts';
import type { ReplicaIds as _thornback_v1_ReplicaIds, ReplicaIds__Output as _thornback_v1_ReplicaIds__Output } from '../../thornback/v1/ReplicaIds.ts';
import type { Collected as _thornback_v1_Collected, Collected__Output as _thornback_v1_Collected__Output } from '../../thornback/v1/Collected.ts';
import type { DeploymentLoads as _thornback_v1_DeploymentLoads, DeploymentLoads__Output as _thornback_v1_DeploymentLoads__Output } from '../../thornback/v1/DeploymentLoads.ts';
import type { Answered as _thornback_v1_Answered, Answered__Output as _thornback_v1_Answered__Output } from '../../thornback/v1/Answered.ts';

export interface WorkerMessage {
  'register'?: (_thornback_v1_NodeRegistration | null);
  'heartbeat'?: (_thornback_v1_NodeReport | null);
  'replicas'?: (_thornback_v1_ReplicaReports | null);
  'gone'?: (_thornback_v1_ReplicaIds | null);
  'collected'?: (_thornback_v1_Collected | null);
  'loads'?: (_thornback_v1_DeploymentLoads | null);
  'answered'?: (_thornback_v1_Answered | null);
  'message'?: "register"|"heartbeat"|"replicas"|"gone"|"collected"|"loads"|"answered";
}

export interface WorkerMessage__Output {
  'register'?: (_thornback_v1_NodeRegistration__Output | null);
  'heartbeat'?: (_thornback_v1_NodeReport__Output | null);
  'replicas'?: (_thornback_v1_ReplicaReports__Output | null);
  'gone'?: (_thornback_v1_ReplicaIds__Output | null);
  'collected'?: (_thornback_v1_Collected__Output | null);
  'loads'?: (_thornback_v1_DeploymentLoads__Output | null);
  'answered'?: (_thornback_v1_Answered__Output | null);
  'message'?: "register"|"heartbeat"|"replicas"|"gone"|"collected"|"loads"|"answered";
}
