import assert from "node:assert/strict";
import { test } from "node:test";
import { systemDefer } from "../../../../core/clock.ts";
import { createMetrics } from "../../../../core/metric-registry.ts";
import { seededRandom } from "../../../../core/random.ts";
import { helloToWire, requestHeadToWire } from "../../../../proto/codec/exchange.ts";
import type { ReplicaOrder, ReplicaProcessReport } from "../../../../proto/control/message.ts";
import { FrameConnection } from "../../../../proto/frame/connection.ts";
import { FRAME } from "../../../../proto/frame/frame.ts";
import { batch } from "../../../../sdk/batch.ts";
import { deployment as define } from "../../../../sdk/deployment.ts";
import { findDeployment } from "../../../../sdk/load-app.ts";
import { ReplicaProcess } from "../../../../worker/replica/replica-process.ts";
import { NO_VITALS } from "../../../../worker/replica/vitals.ts";
import { assignedReplica } from "../../../fake/assigned-replica.ts";
import { ManualClock, settle } from "../../../fake/manual-clock.ts";
import { MemoryNetwork } from "../../../fake/memory-network.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";
import { routerRequest } from "../../../fake/routing-bed.ts";

const START_TIMEOUT_MS = 30_000;

/** A ready replica with a batch method that never settles, as a router that is connected to it sees it. */
async function bed() {
  const clock = new ManualClock();
  const network = new MemoryNetwork();
  const reports: ReplicaProcessReport[] = [];
  const exits: number[] = [];
  const finish = Promise.withResolvers<void>();
  class Model {
    readonly #stuck = batch({ maxBatchSize: 1 }, async (items: number[]) => {
      await new Promise(() => {});
      return items;
    });
    async fetch(request: Request): Promise<Response> {
      if (request.url.endsWith("/stuck")) await this.#stuck(1);
      if (request.url.endsWith("/long")) await finish.promise;
      return new Response("ok");
    }
  }
  const { id, version, launch } = assignedReplica("r1", { options: { startTimeoutMs: START_TIMEOUT_MS } });
  const graph = findDeployment({ default: define(Model).bind() }, launch.application, launch.deployment).deployment;
  const replica = new ReplicaProcess({
    ...{ clock, random: seededRandom(1), log: new RecordingLog(), metrics: createMetrics(), network },
    defer: systemDefer,
    listen: { host: "127.0.0.1", port: 0 },
    bindLog: () => new RecordingLog(),
    prepare: () => ({ packageDirs: [], load: () => Promise.resolve(graph) }),
    send: (message) => {
      if (message.kind === "replica") reports.push(message.report);
    },
    redial: () => {},
    onReady: () => {},
    vitals: NO_VITALS,
    exit: (code) => exits.push(code),
  });
  const places = { node: "n", callSecret: "secret", bundleDir: "/nowhere", projectDir: "/nowhere" };
  const order: ReplicaOrder = { replicaId: id, version, launch, ...places };
  replica.onMessage({ kind: "order", order });
  await clock.advanceAsync(10);
  const address = reports.at(-1)?.address;
  assert.ok(address !== undefined, JSON.stringify(reports.at(-1)));
  const router = await connect(network, address);
  return { clock, replica, reports, exits, finish, ...router };
}

async function connect(network: MemoryNetwork, address: { readonly host: string; readonly port: number }) {
  const frames: string[] = [];
  let connection: FrameConnection | undefined;
  await network.connect(address, (socket) => {
    connection = new FrameConnection({
      socket,
      defer: (callback) => queueMicrotask(callback),
      bounds: { mostHeadBytes: 65_535, mostBodyBytes: 65_535 },
      listener: {
        onFrame: ({ kind, stream, head }) => frames.push(`${kind} ${stream} ${head.split("\n")[0] ?? ""}`),
        onClose: () => {},
      },
    });
    return connection;
  });
  connection?.send(FRAME.HELLO, 0, helloToWire({ replicaId: "r1", callSecret: "secret", linkId: "l1", part: "main" }));
  const request = (stream: number, path: string, timeoutMs: number): void => {
    const { head } = routerRequest(`q${stream}`);
    if (head.kind !== "http") return;
    connection?.send(FRAME.REQUEST, stream, requestHeadToWire({ ...head, path }, timeoutMs));
  };
  await settle();
  return { frames, request };
}

test("one that is stuck with nothing else to do ends at once, and fails what waits behind the stuck batch", async () => {
  const { clock, reports, exits, frames, request } = await bed();
  request(1, "/stuck", 1_000);
  await clock.advanceAsync(1_500);
  request(2, "/stuck", 60_000);
  await clock.advanceAsync(8_000);
  assert.ok(frames.includes(`${FRAME.ERROR} 2 replica_lost`), frames.join());
  assert.ok(frames.includes(`${FRAME.GOAWAY} 0 `), frames.join());
  const { state, reason } = reports.at(-1) ?? {};
  assert.equal(state, "failed");
  assert.match(
    reason ?? "",
    /^the batch handler of batch 1 has not settled for \d s although all its callers are gone/,
  );
  assert.deepEqual(exits, [1]);
});

test("one that is stuck asks to be replaced, takes nothing new, and finishes the rest until it is told to drain", async () => {
  const { clock, replica, reports, exits, frames, request, finish } = await bed();
  request(1, "/stuck", 1_000);
  request(2, "/long", 60_000);
  await clock.advanceAsync(8_000);
  assert.deepEqual([reports.at(-1)?.state, reports.at(-1)?.isRetiring], ["ready", true]);
  request(3, "/", 60_000);
  await settle();
  assert.ok(frames.includes(`${FRAME.ERROR} 3 replica_draining`), frames.join());
  finish.resolve();
  await clock.advanceAsync(1_000);
  assert.ok(frames.includes(`${FRAME.ANSWER} 2 200`), frames.join());
  assert.deepEqual(exits, []);
  replica.onMessage({ kind: "drain", timeoutMs: 1_000 });
  await clock.advanceAsync(2_000);
  assert.deepEqual([reports.at(-1)?.state, exits], ["stopped", [0]]);
});

test("one that is stuck and that nobody replaces ends when a start would have taken too long", async () => {
  const { clock, reports, exits, request } = await bed();
  request(1, "/stuck", 1_000);
  request(2, "/long", 300_000);
  await clock.advanceAsync(START_TIMEOUT_MS);
  assert.deepEqual([reports.at(-1)?.state, exits], ["ready", []]);
  await clock.advanceAsync(10_000);
  assert.deepEqual([reports.at(-1)?.state, exits], ["failed", [1]]);
});
