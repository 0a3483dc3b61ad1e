// Original file: proto/thornback/v1/worker.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { BlobChunk as _thornback_v1_BlobChunk, BlobChunk__Output as _thornback_v1_BlobChunk__Output } from '../../thornback/v1/BlobChunk.ts';
import type { ControllerMessage as _thornback_v1_ControllerMessage, ControllerMessage__Output as _thornback_v1_ControllerMessage__Output } from '../../thornback/v1/ControllerMessage.ts';
import type { ReadBlobRequest as _thornback_v1_ReadBlobRequest, ReadBlobRequest__Output as _thornback_v1_ReadBlobRequest__Output } from '../../thornback/v1/ReadBlobRequest.ts';
import type { TableUpdate as _thornback_v1_TableUpdate, TableUpdate__Output as _thornback_v1_TableUpdate__Output } from '../../thornback/v1/TableUpdate.ts';
import type { WatchTableRequest as _thornback_v1_WatchTableRequest, WatchTableRequest__Output as _thornback_v1_WatchTableRequest__Output } from '../../thornback/v1/WatchTableRequest.ts';
import type { WorkerMessage as _thornback_v1_WorkerMessage, WorkerMessage__Output as _thornback_v1_WorkerMessage__Output } from '../../thornback/v1/WorkerMessage.ts';

export interface ControlClient extends grpc.Client {
  Connect(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_thornback_v1_WorkerMessage, _thornback_v1_ControllerMessage__Output>;
  Connect(options?: grpc.CallOptions): grpc.ClientDuplexStream<_thornback_v1_WorkerMessage, _thornback_v1_ControllerMessage__Output>;
  connect(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_thornback_v1_WorkerMessage, _thornback_v1_ControllerMessage__Output>;
  connect(options?: grpc.CallOptions): grpc.ClientDuplexStream<_thornback_v1_WorkerMessage, _thornback_v1_ControllerMessage__Output>;
  
  ReadBlob(argument: _thornback_v1_ReadBlobRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_thornback_v1_BlobChunk__Output>;
  ReadBlob(argument: _thornback_v1_ReadBlobRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_thornback_v1_BlobChunk__Output>;
  readBlob(argument: _thornback_v1_ReadBlobRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_thornback_v1_BlobChunk__Output>;
  readBlob(argument: _thornback_v1_ReadBlobRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_thornback_v1_BlobChunk__Output>;
  
  WatchTable(argument: _thornback_v1_WatchTableRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_thornback_v1_TableUpdate__Output>;
  WatchTable(argument: _thornback_v1_WatchTableRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_thornback_v1_TableUpdate__Output>;
  watchTable(argument: _thornback_v1_WatchTableRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_thornback_v1_TableUpdate__Output>;
  watchTable(argument: _thornback_v1_WatchTableRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_thornback_v1_TableUpdate__Output>;
  
}

export interface ControlHandlers extends grpc.UntypedServiceImplementation {
  Connect: grpc.handleBidiStreamingCall<_thornback_v1_WorkerMessage__Output, _thornback_v1_ControllerMessage>;
  
  ReadBlob: grpc.handleServerStreamingCall<_thornback_v1_ReadBlobRequest__Output, _thornback_v1_BlobChunk>;
  
  WatchTable: grpc.handleServerStreamingCall<_thornback_v1_WatchTableRequest__Output, _thornback_v1_TableUpdate>;
  
}

export interface ControlDefinition extends grpc.ServiceDefinition {
  Connect: MethodDefinition<_thornback_v1_WorkerMessage, _thornback_v1_ControllerMessage, _thornback_v1_WorkerMessage__Output, _thornback_v1_ControllerMessage__Output>
  ReadBlob: MethodDefinition<_thornback_v1_ReadBlobRequest, _thornback_v1_BlobChunk, _thornback_v1_ReadBlobRequest__Output, _thornback_v1_BlobChunk__Output>
  WatchTable: MethodDefinition<_thornback_v1_WatchTableRequest, _thornback_v1_TableUpdate, _thornback_v1_WatchTableRequest__Output, _thornback_v1_TableUpdate__Output>
}
