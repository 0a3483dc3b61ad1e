import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  type status,
} from "@grpc/grpc-js";
import { InvalidRequestError, QueueFullError, ServeError, UnauthenticatedError } from "../core/error.ts";
import { ERROR_MAP } from "../core/error-map.ts";
import type { Digest } from "../core/ids.ts";
import type { Address } from "../core/network.ts";
import { CHANNEL_OPTIONS, CODE_METADATA, grpcTarget } from "./channel.ts";
import { workerMessageFromWire } from "./codec/worker-message.ts";
import { controllerMessageToWire } from "./codec/worker-order.ts";
import { tableUpdateToWire } from "./codec/worker-table.ts";
import type * as wire from "./codec/worker-wire.ts";
import { loadControl } from "./load.ts";
import { isAuthorized } from "./token.ts";
import type { ControlService } from "./transport.ts";

/**
 * The gRPC server of the controller: turns the three calls of `worker.proto` into a {@link ControlService}. It owns the
 * port, checks the token of every call, and ends a stream whose peer does not read. It decides nothing.
 */

/** Messages that may wait for a peer that does not read; it reconnects and gets a snapshot instead. */
const MOST_UNREAD_MESSAGES = 1_000;

/** A listening control server. */
export type ControlServer = {
  /** With the real port. */
  readonly address: Address;
  /** Ends every stream at once and frees the port. Never rejects. */
  close(): Promise<void>;
};

type Connect = ServerDuplexStream<wire.WorkerMessageOut, wire.ControllerMessageIn>;
type Watch = ServerWritableStream<{ knownEpoch: number; knownVersion: number }, wire.TableUpdateIn>;
type Read = ServerWritableStream<{ digest: string }, { bytes: Uint8Array }>;

/**
 * Serves the control service on `address` (port 0: a free one). With a `token`, calls without it are UNAUTHENTICATED.
 *
 * @throws {Error} when the port cannot be bound; the message holds the system's own code, such as EADDRINUSE
 */
export async function serveControl(service: ControlService, address: Address, token?: string): Promise<ControlServer> {
  const server = new Server(CHANNEL_OPTIONS);
  const admitted = <C extends Connect | Watch | Read>(handle: (call: C) => void) => {
    return (call: C): void => {
      const authorization = call.metadata.get("authorization")[0]?.toString();
      if (token === undefined || isAuthorized(token, authorization)) handle(call);
      else refuse(call, new UnauthenticatedError("the token is missing or wrong; start the worker with --token-file"));
    };
  };
  const connect: handleBidiStreamingCall<wire.WorkerMessageOut, wire.ControllerMessageIn> = admitted(
    (call: Connect) => {
      serveConnect(service, call);
    },
  );
  const watchTable: handleServerStreamingCall<Watch["request"], wire.TableUpdateIn> = admitted((call: Watch) => {
    serveWatch(service, call);
  });
  const readBlob: handleServerStreamingCall<Read["request"], { bytes: Uint8Array }> = admitted((call: Read) => {
    serveBlob(service, call).catch((thrown: unknown) => refuse(call, thrown));
  });
  server.addService(loadControl().service, { connect, watchTable, readBlob });
  const port = await bind(server, address);
  return {
    address: { host: address.host, port },
    close() {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

function bind(server: Server, address: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(grpcTarget(address), ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

/** Ends a call with the status that belongs to the error. */
function refuse(call: Connect | Watch | Read, thrown: unknown): void {
  const error = ServeError.from(thrown);
  const metadata = new Metadata();
  metadata.set(CODE_METADATA, error.code);
  const code = ERROR_MAP[error.code].grpc as status;
  call.emit("error", { code, details: error.message, metadata });
}

function serveConnect(service: ControlService, call: Connect): void {
  let isClosed = false;
  const close = (reason: string): void => {
    if (isClosed) return;
    isClosed = true;
    listener.onClose(reason);
  };
  const listener = service.connect({
    send(message) {
      if (isClosed) return;
      call.write(controllerMessageToWire(message));
      if (call.writableLength > MOST_UNREAD_MESSAGES) fail(new QueueFullError("the worker does not read its stream"));
    },
    close(reason) {
      call.end();
      close(reason);
    },
  });
  const fail = (error: unknown): void => {
    refuse(call, error);
    close(ServeError.from(error).message);
  };
  call.on("data", (message: wire.WorkerMessageOut) => {
    if (isClosed) return;
    try {
      const decoded = workerMessageFromWire(message);
      if (decoded !== undefined) listener.onMessage(decoded);
    } catch (thrown) {
      fail(thrown);
    }
  });
  call.on("error", (error: Error) => close(error.message));
  call.on("cancelled", () => close("the worker's connection broke"));
  call.on("end", () => {
    call.end();
    close("the worker ended the stream");
  });
}

function serveWatch(service: ControlService, call: Watch): void {
  const { knownEpoch, knownVersion } = call.request;
  const known = knownEpoch === 0 ? undefined : { epoch: knownEpoch, version: knownVersion };
  const state = { isClosed: false, stop: (): void => undefined };
  const close = (): void => {
    state.isClosed = true;
    state.stop();
  };
  state.stop = service.watchTable(known, (update) => {
    if (state.isClosed) return;
    call.write(tableUpdateToWire(update));
    if (call.writableLength <= MOST_UNREAD_MESSAGES) return;
    close();
    refuse(call, new QueueFullError("the worker does not read its table watch"));
  });
  call.on("cancelled", close);
  call.on("error", close);
}

async function serveBlob(service: ControlService, call: Read): Promise<void> {
  const { digest } = call.request;
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new InvalidRequestError("a blob is named by 64 hexadecimal characters");
  const chunks = await service.readBlob(digest as Digest);
  for await (const bytes of chunks) {
    if (call.cancelled) return;
    if (!call.write({ bytes })) await drained(call);
  }
  call.end();
}

/** Resolves when the peer has read enough, or is gone. */
function drained(call: Read): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ["drain", "cancelled", "error"]) call.off(event, done);
      resolve();
    };
    for (const event of ["drain", "cancelled", "error"]) call.on(event, done);
  });
}
