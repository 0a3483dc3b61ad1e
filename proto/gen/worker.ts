import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { AccessKey as _thornback_v1_AccessKey, AccessKey__Output as _thornback_v1_AccessKey__Output } from './thornback/v1/AccessKey.ts';
import type { Address as _thornback_v1_Address, Address__Output as _thornback_v1_Address__Output } from './thornback/v1/Address.ts';
import type { Answered as _thornback_v1_Answered, Answered__Output as _thornback_v1_Answered__Output } from './thornback/v1/Answered.ts';
import type { Ask as _thornback_v1_Ask, Ask__Output as _thornback_v1_Ask__Output } from './thornback/v1/Ask.ts';
import type { AssignedReplica as _thornback_v1_AssignedReplica, AssignedReplica__Output as _thornback_v1_AssignedReplica__Output } from './thornback/v1/AssignedReplica.ts';
import type { Assignment as _thornback_v1_Assignment, Assignment__Output as _thornback_v1_Assignment__Output } from './thornback/v1/Assignment.ts';
import type { BatchReport as _thornback_v1_BatchReport, BatchReport__Output as _thornback_v1_BatchReport__Output } from './thornback/v1/BatchReport.ts';
import type { BlobChunk as _thornback_v1_BlobChunk, BlobChunk__Output as _thornback_v1_BlobChunk__Output } from './thornback/v1/BlobChunk.ts';
import type { Collect as _thornback_v1_Collect, Collect__Output as _thornback_v1_Collect__Output } from './thornback/v1/Collect.ts';
import type { CollectLogs as _thornback_v1_CollectLogs, CollectLogs__Output as _thornback_v1_CollectLogs__Output } from './thornback/v1/CollectLogs.ts';
import type { CollectMetrics as _thornback_v1_CollectMetrics, CollectMetrics__Output as _thornback_v1_CollectMetrics__Output } from './thornback/v1/CollectMetrics.ts';
import type { Collected as _thornback_v1_Collected, Collected__Output as _thornback_v1_Collected__Output } from './thornback/v1/Collected.ts';
import type { ControlClient as _thornback_v1_ControlClient, ControlDefinition as _thornback_v1_ControlDefinition } from './thornback/v1/Control.ts';
import type { ControllerMessage as _thornback_v1_ControllerMessage, ControllerMessage__Output as _thornback_v1_ControllerMessage__Output } from './thornback/v1/ControllerMessage.ts';
import type { Cors as _thornback_v1_Cors, Cors__Output as _thornback_v1_Cors__Output } from './thornback/v1/Cors.ts';
import type { DeploymentEntry as _thornback_v1_DeploymentEntry, DeploymentEntry__Output as _thornback_v1_DeploymentEntry__Output } from './thornback/v1/DeploymentEntry.ts';
import type { DeploymentLoad as _thornback_v1_DeploymentLoad, DeploymentLoad__Output as _thornback_v1_DeploymentLoad__Output } from './thornback/v1/DeploymentLoad.ts';
import type { DeploymentLoads as _thornback_v1_DeploymentLoads, DeploymentLoads__Output as _thornback_v1_DeploymentLoads__Output } from './thornback/v1/DeploymentLoads.ts';
import type { ExpectedRun as _thornback_v1_ExpectedRun, ExpectedRun__Output as _thornback_v1_ExpectedRun__Output } from './thornback/v1/ExpectedRun.ts';
import type { NativePackage as _thornback_v1_NativePackage, NativePackage__Output as _thornback_v1_NativePackage__Output } from './thornback/v1/NativePackage.ts';
import type { NodeRegistration as _thornback_v1_NodeRegistration, NodeRegistration__Output as _thornback_v1_NodeRegistration__Output } from './thornback/v1/NodeRegistration.ts';
import type { NodeReport as _thornback_v1_NodeReport, NodeReport__Output as _thornback_v1_NodeReport__Output } from './thornback/v1/NodeReport.ts';
import type { NodeResources as _thornback_v1_NodeResources, NodeResources__Output as _thornback_v1_NodeResources__Output } from './thornback/v1/NodeResources.ts';
import type { ReadBlobRequest as _thornback_v1_ReadBlobRequest, ReadBlobRequest__Output as _thornback_v1_ReadBlobRequest__Output } from './thornback/v1/ReadBlobRequest.ts';
import type { ReplicaEntry as _thornback_v1_ReplicaEntry, ReplicaEntry__Output as _thornback_v1_ReplicaEntry__Output } from './thornback/v1/ReplicaEntry.ts';
import type { ReplicaIds as _thornback_v1_ReplicaIds, ReplicaIds__Output as _thornback_v1_ReplicaIds__Output } from './thornback/v1/ReplicaIds.ts';
import type { ReplicaLaunch as _thornback_v1_ReplicaLaunch, ReplicaLaunch__Output as _thornback_v1_ReplicaLaunch__Output } from './thornback/v1/ReplicaLaunch.ts';
import type { ReplicaReport as _thornback_v1_ReplicaReport, ReplicaReport__Output as _thornback_v1_ReplicaReport__Output } from './thornback/v1/ReplicaReport.ts';
import type { ReplicaReports as _thornback_v1_ReplicaReports, ReplicaReports__Output as _thornback_v1_ReplicaReports__Output } from './thornback/v1/ReplicaReports.ts';
import type { RouteEntry as _thornback_v1_RouteEntry, RouteEntry__Output as _thornback_v1_RouteEntry__Output } from './thornback/v1/RouteEntry.ts';
import type { Shutdown as _thornback_v1_Shutdown, Shutdown__Output as _thornback_v1_Shutdown__Output } from './thornback/v1/Shutdown.ts';
import type { TableEntry as _thornback_v1_TableEntry, TableEntry__Output as _thornback_v1_TableEntry__Output } from './thornback/v1/TableEntry.ts';
import type { TableUpdate as _thornback_v1_TableUpdate, TableUpdate__Output as _thornback_v1_TableUpdate__Output } from './thornback/v1/TableUpdate.ts';
import type { TrafficRule as _thornback_v1_TrafficRule, TrafficRule__Output as _thornback_v1_TrafficRule__Output } from './thornback/v1/TrafficRule.ts';
import type { TrafficShare as _thornback_v1_TrafficShare, TrafficShare__Output as _thornback_v1_TrafficShare__Output } from './thornback/v1/TrafficShare.ts';
import type { TrafficSplit as _thornback_v1_TrafficSplit, TrafficSplit__Output as _thornback_v1_TrafficSplit__Output } from './thornback/v1/TrafficSplit.ts';
import type { VersionLoad as _thornback_v1_VersionLoad, VersionLoad__Output as _thornback_v1_VersionLoad__Output } from './thornback/v1/VersionLoad.ts';
import type { WatchTableRequest as _thornback_v1_WatchTableRequest, WatchTableRequest__Output as _thornback_v1_WatchTableRequest__Output } from './thornback/v1/WatchTableRequest.ts';
import type { WorkerMessage as _thornback_v1_WorkerMessage, WorkerMessage__Output as _thornback_v1_WorkerMessage__Output } from './thornback/v1/WorkerMessage.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  thornback: {
    v1: {
      AccessKey: MessageTypeDefinition<_thornback_v1_AccessKey, _thornback_v1_AccessKey__Output>
      Address: MessageTypeDefinition<_thornback_v1_Address, _thornback_v1_Address__Output>
      Answered: MessageTypeDefinition<_thornback_v1_Answered, _thornback_v1_Answered__Output>
      Ask: MessageTypeDefinition<_thornback_v1_Ask, _thornback_v1_Ask__Output>
      AssignedReplica: MessageTypeDefinition<_thornback_v1_AssignedReplica, _thornback_v1_AssignedReplica__Output>
      Assignment: MessageTypeDefinition<_thornback_v1_Assignment, _thornback_v1_Assignment__Output>
      BatchReport: MessageTypeDefinition<_thornback_v1_BatchReport, _thornback_v1_BatchReport__Output>
      BlobChunk: MessageTypeDefinition<_thornback_v1_BlobChunk, _thornback_v1_BlobChunk__Output>
      Collect: MessageTypeDefinition<_thornback_v1_Collect, _thornback_v1_Collect__Output>
      CollectLogs: MessageTypeDefinition<_thornback_v1_CollectLogs, _thornback_v1_CollectLogs__Output>
      CollectMetrics: MessageTypeDefinition<_thornback_v1_CollectMetrics, _thornback_v1_CollectMetrics__Output>
      Collected: MessageTypeDefinition<_thornback_v1_Collected, _thornback_v1_Collected__Output>
      Control: SubtypeConstructor<typeof grpc.Client, _thornback_v1_ControlClient> & { service: _thornback_v1_ControlDefinition }
      ControllerMessage: MessageTypeDefinition<_thornback_v1_ControllerMessage, _thornback_v1_ControllerMessage__Output>
      Cors: MessageTypeDefinition<_thornback_v1_Cors, _thornback_v1_Cors__Output>
      DeploymentEntry: MessageTypeDefinition<_thornback_v1_DeploymentEntry, _thornback_v1_DeploymentEntry__Output>
      DeploymentLoad: MessageTypeDefinition<_thornback_v1_DeploymentLoad, _thornback_v1_DeploymentLoad__Output>
      DeploymentLoads: MessageTypeDefinition<_thornback_v1_DeploymentLoads, _thornback_v1_DeploymentLoads__Output>
      ExpectedRun: MessageTypeDefinition<_thornback_v1_ExpectedRun, _thornback_v1_ExpectedRun__Output>
      NativePackage: MessageTypeDefinition<_thornback_v1_NativePackage, _thornback_v1_NativePackage__Output>
      NodeRegistration: MessageTypeDefinition<_thornback_v1_NodeRegistration, _thornback_v1_NodeRegistration__Output>
      NodeReport: MessageTypeDefinition<_thornback_v1_NodeReport, _thornback_v1_NodeReport__Output>
      NodeResources: MessageTypeDefinition<_thornback_v1_NodeResources, _thornback_v1_NodeResources__Output>
      ReadBlobRequest: MessageTypeDefinition<_thornback_v1_ReadBlobRequest, _thornback_v1_ReadBlobRequest__Output>
      ReplicaEntry: MessageTypeDefinition<_thornback_v1_ReplicaEntry, _thornback_v1_ReplicaEntry__Output>
      ReplicaIds: MessageTypeDefinition<_thornback_v1_ReplicaIds, _thornback_v1_ReplicaIds__Output>
      ReplicaLaunch: MessageTypeDefinition<_thornback_v1_ReplicaLaunch, _thornback_v1_ReplicaLaunch__Output>
      ReplicaReport: MessageTypeDefinition<_thornback_v1_ReplicaReport, _thornback_v1_ReplicaReport__Output>
      ReplicaReports: MessageTypeDefinition<_thornback_v1_ReplicaReports, _thornback_v1_ReplicaReports__Output>
      RouteEntry: MessageTypeDefinition<_thornback_v1_RouteEntry, _thornback_v1_RouteEntry__Output>
      Shutdown: MessageTypeDefinition<_thornback_v1_Shutdown, _thornback_v1_Shutdown__Output>
      TableEntry: MessageTypeDefinition<_thornback_v1_TableEntry, _thornback_v1_TableEntry__Output>
      TableUpdate: MessageTypeDefinition<_thornback_v1_TableUpdate, _thornback_v1_TableUpdate__Output>
      TrafficRule: MessageTypeDefinition<_thornback_v1_TrafficRule, _thornback_v1_TrafficRule__Output>
      TrafficShare: MessageTypeDefinition<_thornback_v1_TrafficShare, _thornback_v1_TrafficShare__Output>
      TrafficSplit: MessageTypeDefinition<_thornback_v1_TrafficSplit, _thornback_v1_TrafficSplit__Output>
      VersionLoad: MessageTypeDefinition<_thornback_v1_VersionLoad, _thornback_v1_VersionLoad__Output>
      WatchTableRequest: MessageTypeDefinition<_thornback_v1_WatchTableRequest, _thornback_v1_WatchTableRequest__Output>
      WorkerMessage: MessageTypeDefinition<_thornback_v1_WorkerMessage, _thornback_v1_WorkerMessage__Output>
    }
  }
}

