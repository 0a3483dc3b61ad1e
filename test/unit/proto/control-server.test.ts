import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { ControllerMessage, WorkerMessage } from "../../../core/assignment.ts";
import { NotFoundError, UnauthenticatedError } from "../../../core/error.ts";
import type { Digest } from "../../../core/ids.ts";
import type { TableUpdate } from "../../../core/table.ts";
import { grpcControllerTransport } from "../../../proto/channel.ts";
import { type ControlServer, serveControl } from "../../../proto/control-server.ts";
import type { ControlService, WorkerStream } from "../../../proto/transport.ts";

const DIGEST = "ab".repeat(32) as Digest;
const UPDATE: TableUpdate = { epoch: 1, version: 1, kind: "snapshot", baseVersion: 0, upserts: [], removals: [] };
const HEARTBEAT: WorkerMessage = {
  kind: "heartbeat",
  report: { httpUrl: "", reason: "", tableEpoch: 0, tableVersion: 0 },
};

/** A service that records what it hears and lets a test wait for it. */
class RecordingService implements ControlService {
  readonly heard: WorkerMessage[] = [];
  stream: WorkerStream | undefined;
  readonly closed = Promise.withResolvers<string>();
  readonly spoken = Promise.withResolvers<void>();
  readonly watchStopped = Promise.withResolvers<void>();

  connect(stream: WorkerStream) {
    this.stream = stream;
    return {
      onMessage: (message: WorkerMessage) => {
        this.heard.push(message);
        stream.send({ kind: "shutdown" });
        this.spoken.resolve();
      },
      onClose: (reason: string) => this.closed.resolve(reason),
    };
  }

  watchTable(_known: unknown, send: (update: TableUpdate) => void): () => void {
    send(UPDATE);
    return () => this.watchStopped.resolve();
  }

  async readBlob(digest: Digest): Promise<AsyncIterable<Uint8Array>> {
    if (digest !== DIGEST) throw new NotFoundError("deployment_not_found", `blob ${digest} is not kept here`);
    return (async function* () {
      for (let i = 0; i < 100; i++) yield new Uint8Array(64 * 1024).fill(i);
    })();
  }
}

const servers: ControlServer[] = [];
const transports: { close(): void }[] = [];
after(async () => {
  for (const transport of transports) transport.close();
  for (const server of servers) await server.close();
});

async function world(serverToken?: string, clientToken = serverToken) {
  const service = new RecordingService();
  const server = await serveControl(service, { host: "127.0.0.1", port: 0 }, serverToken);
  servers.push(server);
  const transport = grpcControllerTransport(server.address, clientToken);
  transports.push(transport);
  return { service, server, transport };
}

describe("the control server and its client", () => {
  it("carry messages both ways, and tell each side when the other closes", async () => {
    const { service, transport } = await world("token");
    const received = Promise.withResolvers<ControllerMessage>();
    const ended = Promise.withResolvers<string>();
    const stream = transport.connect({ onMessage: received.resolve, onClose: ended.resolve });
    stream.send(HEARTBEAT);
    assert.deepStrictEqual(await received.promise, { kind: "shutdown" });
    assert.deepStrictEqual(service.heard, [HEARTBEAT]);
    stream.close();
    assert.equal(await ended.promise, "closed by this side");
    assert.ok((await service.closed.promise).length > 0);
  });

  it("end a worker's stream when the controller closes it", async () => {
    const { service, transport } = await world();
    const ended = Promise.withResolvers<string>();
    const stream = transport.connect({ onMessage: () => undefined, onClose: ended.resolve });
    stream.send(HEARTBEAT);
    await service.spoken.promise;
    service.stream?.close("lost");
    assert.equal(await ended.promise, "the controller ended the stream");
  });

  it("send the table and stop watching when the watcher closes", async () => {
    const { service, transport } = await world();
    const received = Promise.withResolvers<TableUpdate>();
    const watch = transport.watchTable(undefined, { onUpdate: received.resolve, onClose: () => undefined });
    assert.deepStrictEqual(await received.promise, UPDATE);
    watch.close();
    await service.watchStopped.promise;
  });

  it("stream a blob, and name one that is not there", async () => {
    const { transport } = await world();
    let bytes = 0;
    for await (const chunk of transport.readBlob(DIGEST, AbortSignal.timeout(5_000))) bytes += chunk.length;
    assert.equal(bytes, 100 * 64 * 1024);
    const missing = transport.readBlob("cd".repeat(32) as Digest, AbortSignal.timeout(5_000));
    await assert.rejects(async () => {
      for await (const _ of missing) assert.fail("nothing should come");
    }, NotFoundError);
  });

  it("refuse every call without the token", async () => {
    const { transport } = await world("right", "wrong");
    const ended = Promise.withResolvers<string>();
    transport.connect({ onMessage: () => assert.fail("refused"), onClose: ended.resolve });
    assert.match(await ended.promise, /token is missing or wrong/);
    const watched = Promise.withResolvers<string>();
    transport.watchTable(undefined, { onUpdate: () => assert.fail("refused"), onClose: watched.resolve });
    assert.match(await watched.promise, /token is missing or wrong/);
    await assert.rejects(async () => {
      for await (const _ of transport.readBlob(DIGEST, AbortSignal.timeout(5_000))) assert.fail("refused");
    }, UnauthenticatedError);
  });

  it("tell a worker at once when the server goes away, and close within a second", async () => {
    const { service, server, transport } = await world();
    const ended = Promise.withResolvers<string>();
    const stream = transport.connect({ onMessage: () => undefined, onClose: ended.resolve });
    stream.send(HEARTBEAT);
    await service.spoken.promise;
    const before = performance.now();
    await server.close();
    await ended.promise;
    assert.ok(performance.now() - before < 1_000);
  });

  it("say which port is taken", async () => {
    const { server } = await world();
    await assert.rejects(serveControl(new RecordingService(), server.address), /EADDRINUSE/);
  });
});
