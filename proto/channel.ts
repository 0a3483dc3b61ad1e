import { type ChannelOptions, credentials, Metadata, status, type ServiceError } from "@grpc/grpc-js";
import type { ErrorCode } from "../core/error.ts";
import {
  DeploymentUnavailableError,
  InternalError,
  NotFoundError,
  ServeError,
  UnauthenticatedError,
} from "../core/error.ts";
import type { Digest } from "../core/ids.ts";
import type { Address } from "../core/network.ts";
import { controllerMessageFromWire } from "./codec/worker-order.ts";
import { workerMessageToWire } from "./codec/worker-message.ts";
import { tableUpdateFromWire } from "./codec/worker-table.ts";
import { loadControl } from "./load.ts";
import { bearer } from "./token.ts";
import type {
  ControllerStream,
  ControllerStreamListener,
  ControllerTransport,
  TableListener,
  TableVersion,
} from "./transport.ts";

/** Metadata name of a ServeError's code, so that it survives the trip through gRPC's own statuses. */
export const CODE_METADATA = "thornback-code";

/** One message: a routing table of 10,000 replicas is about 3 MB, a node's logs at most some tens. */
const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;

/**
 * Settings of both ends. A peer that vanished without a word is noticed after 5 + 3 s, which the lease of a node (5 s of
 * silence) does not depend on; retries are off because reconnecting is the worker's, with a backoff of its own.
 */
export const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": MOST_MESSAGE_BYTES,
  "grpc.max_send_message_length": MOST_MESSAGE_BYTES,
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 3_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.enable_retries": 0,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 1_000,
  "grpc.use_local_subchannel_pool": 1,
};

/** `host:port` as gRPC wants it; IPv6 hosts in brackets. */
export function grpcTarget(address: Address): string {
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

/** How a worker reaches the controller over gRPC; `close` ends its connection and every stream. */
export function grpcControllerTransport(address: Address, token?: string): ControllerTransport & { close(): void } {
  const Control = loadControl();
  const client = new Control(grpcTarget(address), credentials.createInsecure(), CHANNEL_OPTIONS);
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", bearer(token));
  return {
    connect: (listener) => connect(client.connect(metadata), listener),
    watchTable: (known, listener) => watchTable(client.watchTable(knownToWire(known), metadata), listener),
    readBlob: (digest, signal) => readBlob(() => client.readBlob({ digest }, metadata), digest, signal),
    close: () => client.close(),
  };
}

type Client = InstanceType<ReturnType<typeof loadControl>>;

function knownToWire(known: TableVersion | undefined): { knownEpoch: number; knownVersion: number } {
  return { knownEpoch: known?.epoch ?? 0, knownVersion: known?.version ?? 0 };
}

function connect(stream: ReturnType<Client["connect"]>, listener: ControllerStreamListener): ControllerStream {
  const close = closeOnce(stream, (reason) => listener.onClose(reason));
  stream.on("data", (wire) => {
    decoded(close, () => {
      const message = controllerMessageFromWire(wire);
      if (message !== undefined) listener.onMessage(message);
    });
  });
  return {
    send(message) {
      if (!close.isClosed()) stream.write(workerMessageToWire(message));
    },
    close() {
      if (!close.isClosed()) stream.end();
      close("closed by this side");
    },
  };
}

function watchTable(stream: ReturnType<Client["watchTable"]>, listener: TableListener): { close(): void } {
  const close = closeOnce(stream, (reason) => listener.onClose(reason));
  stream.on("data", (wire) => {
    decoded(close, () => listener.onUpdate(tableUpdateFromWire(wire)));
  });
  return { close: () => close("closed by this side") };
}

type Ending = { (reason: string): void; isClosed(): boolean };

/** Tells the owner once that a stream is over, whichever of its ends comes first, and cancels what is left of it. */
function closeOnce(
  stream: ReturnType<Client["connect"]> | ReturnType<Client["watchTable"]>,
  onClose: (reason: string) => void,
): Ending {
  let isClosed = false;
  const close = (reason: string): void => {
    if (isClosed) return;
    isClosed = true;
    stream.cancel();
    onClose(reason);
  };
  stream.on("error", (error: ServiceError) => close(error.details === "" ? error.message : error.details));
  stream.on("end", () => close("the controller ended the stream"));
  return Object.assign(close, { isClosed: () => isClosed });
}

/** A message that cannot be understood ends the stream: what follows would build on a state nobody knows. */
function decoded(close: Ending, receive: () => void): void {
  if (close.isClosed()) return;
  try {
    receive();
  } catch (thrown) {
    close(ServeError.from(thrown).message);
  }
}

async function* readBlob(
  open: () => ReturnType<Client["readBlob"]>,
  digest: Digest,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  signal.throwIfAborted();
  const stream = open();
  const onAbort = (): void => stream.cancel();
  signal.addEventListener("abort", onAbort, { once: true });
  // The iteration below reports every error; this listener is for one that comes after it ended.
  stream.on("error", () => undefined);
  try {
    for await (const chunk of stream) yield (chunk as { bytes: Uint8Array }).bytes;
  } catch (thrown) {
    signal.throwIfAborted();
    throw fromServiceError(thrown as ServiceError, digest);
  } finally {
    signal.removeEventListener("abort", onAbort);
    stream.cancel();
  }
}

function fromServiceError(error: ServiceError, digest: Digest): ServeError {
  const code = error.metadata?.get(CODE_METADATA)[0] as ErrorCode | undefined;
  const message = `blob ${digest} could not be read from the controller: ${error.details}`;
  if (code === "deployment_not_found") return new NotFoundError(code, message, { cause: error });
  if (error.code === status.UNAUTHENTICATED) return new UnauthenticatedError(message, { cause: error });
  if (error.code === status.UNAVAILABLE) return new DeploymentUnavailableError(message, { cause: error });
  return new InternalError(message, { cause: error });
}
