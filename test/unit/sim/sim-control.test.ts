import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkerMessage } from "../../../core/assignment.ts";
import type { ReplicaId } from "../../../core/ids.ts";
import { seededRandom } from "../../../core/random.ts";
import type { ControlService, WorkerStream } from "../../../proto/transport.ts";
import { SimClock, settle } from "../../../sim/sim-clock.ts";
import { SimControl } from "../../../sim/sim-control.ts";
import { KILLED, SimProcess } from "../../../sim/sim-process.ts";
import { CALM, Topology } from "../../../sim/topology.ts";

function gone(id: string): WorkerMessage {
  return { kind: "gone", replicas: [id as ReplicaId] };
}

function setUp() {
  const clock = new SimClock();
  const topology = new Topology(seededRandom(1), CALM);
  const control = new SimControl({ clock, topology });
  const process = (name: string, host: string) => new SimProcess({ clock, seed: 1, name, host, pid: 1 });
  const controller = process("controller", "head");
  const worker = process("worker", "node-1");
  const seen = { up: [] as string[], down: [] as string[], closes: [] as string[], serviceCloses: [] as string[] };
  const streams: WorkerStream[] = [];
  const service: ControlService = {
    connect(stream) {
      streams.push(stream);
      return {
        onMessage: (message) => seen.up.push(JSON.stringify(message)),
        onClose: (reason) => seen.serviceCloses.push(reason),
      };
    },
    watchTable: () => () => {},
    readBlob: async function () {
      return (async function* () {
        yield Uint8Array.of(1, 2);
        yield Uint8Array.of(3);
      })();
    },
  };
  const connect = () =>
    control.transport(worker).connect({
      onMessage: (message) => seen.down.push(message.kind),
      onClose: (reason) => seen.closes.push(reason),
    });
  const run = async (untilMs: number) => {
    while (clock.step(untilMs)) await settle();
    clock.skipTo(untilMs);
  };
  return { control, topology, controller, worker, service, streams, seen, connect, run };
}

test("messages arrive in order, those sent before the connection stood too", async () => {
  const { control, controller, service, seen, connect, run, streams } = setUp();
  control.serve(controller, service);
  const stream = connect();
  for (const id of ["1", "2", "3"]) stream.send(gone(id));
  await run(100);
  stream.send(gone("4"));
  streams[0]?.send({ kind: "shutdown" });
  await run(200);
  assert.deepEqual(
    seen.up,
    ["1", "2", "3", "4"].map((id) => JSON.stringify(gone(id))),
  );
  assert.deepEqual(seen.down, ["shutdown"]);
});

test("a connection to nobody fails, one to a controller that dies is closed", async () => {
  const { control, controller, service, seen, connect, run } = setUp();
  connect();
  await run(100);
  assert.equal(seen.closes.length, 1);
  control.serve(controller, service);
  connect();
  await run(200);
  controller.die(KILLED);
  await run(300);
  assert.equal(seen.closes.length, 2);
});

test("a controller hears once that a worker died", async () => {
  const { control, controller, worker, service, seen, connect, run } = setUp();
  control.serve(controller, service);
  connect();
  await run(100);
  worker.die(KILLED);
  await run(20_000);
  assert.equal(seen.serviceCloses.length, 1);
});

test("a short cut delays messages, a long one closes the stream on both sides", async () => {
  const { control, controller, topology, service, seen, connect, run } = setUp();
  control.serve(controller, service);
  const stream = connect();
  await run(100);
  topology.cut("node-1", "head");
  stream.send(gone("1"));
  await run(5_000);
  assert.equal(seen.up.length, 0);
  topology.repairAll();
  await run(6_000);
  assert.equal(seen.up.length, 1);
  topology.cut("node-1", "head");
  stream.send(gone("2"));
  await run(30_000);
  assert.deepEqual([seen.up.length, seen.closes.length, seen.serviceCloses.length], [1, 1, 1]);
});

test("a blob comes whole", async () => {
  const { control, controller, worker, service, run } = setUp();
  control.serve(controller, service);
  const got: number[] = [];
  const read = async () => {
    const chunks = control.transport(worker).readBlob("0" as never, new AbortController().signal);
    for await (const chunk of chunks) got.push(...chunk);
  };
  void read();
  await run(100);
  assert.deepEqual(got, [1, 2, 3]);
});
