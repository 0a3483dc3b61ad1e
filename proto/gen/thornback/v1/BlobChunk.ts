// Original file: proto/thornback/v1/worker.proto


export interface BlobChunk {
  'bytes'?: (Buffer | Uint8Array | string);
}

export interface BlobChunk__Output {
  'bytes': (Buffer);
}
