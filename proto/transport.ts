import type { ControllerMessage, WorkerMessage } from "../core/assignment.ts";
import type { Digest } from "../core/ids.ts";
import type { TableUpdate } from "../core/table.ts";

/** A worker's stream to the controller, as the controller sees it. */
export interface WorkerStream {
  send(message: ControllerMessage): void;
  /** Ends the stream; the worker reconnects. */
  close(reason: string): void;
}

/** What the controller wants to hear of a worker's stream. */
export interface WorkerStreamListener {
  onMessage(message: WorkerMessage): void;
  onClose(reason: string): void;
}

/** What the controller offers to workers; the gRPC server and the simulated network call it. */
export interface ControlService {
  /** A worker connected; it says who it is in its first message. */
  connect(stream: WorkerStream): WorkerStreamListener;
  /** Sends the table as it changes: a snapshot first unless `known` is still in the kept changes. Returns how to stop. */
  watchTable(known: TableVersion | undefined, send: (update: TableUpdate) => void): () => void;
  /** A file of a bundle. Rejects with NotFoundError. */
  readBlob(digest: Digest): Promise<AsyncIterable<Uint8Array>>;
}

/** Which table somebody has. */
export type TableVersion = { readonly epoch: number; readonly version: number };

/** How a worker reaches the controller. Every method is one attempt; reconnecting is the caller's. */
export interface ControllerTransport {
  connect(listener: ControllerStreamListener): ControllerStream;
  watchTable(known: TableVersion | undefined, listener: TableListener): { close(): void };
  /** Yields a bundle's file. Rejects with NotFoundError, or with the connection's error. */
  readBlob(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A worker's stream to the controller, as the worker sees it. */
export interface ControllerStream {
  send(message: WorkerMessage): void;
  close(): void;
}

/** What a worker wants to hear of its stream. */
export interface ControllerStreamListener {
  onMessage(message: ControllerMessage): void;
  /** Called once, last. */
  onClose(reason: string): void;
}

/** What a worker wants to hear of the table watch. */
export interface TableListener {
  onUpdate(update: TableUpdate): void;
  /** Called once, last. */
  onClose(reason: string): void;
}
