import assert from "node:assert/strict";
import { test } from "node:test";
import type { ByteSocket, SocketListener } from "../../../core/network.ts";
import { seededRandom } from "../../../core/random.ts";
import { SimClock, settle } from "../../../sim/sim-clock.ts";
import { SimNet } from "../../../sim/sim-net.ts";
import { KILLED, POWER_LOST, SimProcess } from "../../../sim/sim-process.ts";
import { CALM, Topology } from "../../../sim/topology.ts";

function world() {
  const clock = new SimClock();
  const topology = new Topology(seededRandom(1), CALM);
  const net = new SimNet({ clock, random: seededRandom(2), topology });
  let pid = 1;
  const process = (name: string, host: string) => new SimProcess({ clock, seed: 1, name, host, pid: pid++ });
  const run = async (untilMs: number) => {
    while (clock.step(untilMs)) await settle();
    clock.skipTo(untilMs);
  };
  return { clock, topology, net, process, run };
}

function recorder() {
  const got: number[] = [];
  const closes: (string | undefined)[] = [];
  const listener: SocketListener = {
    onData: (chunk) => got.push(...chunk),
    onDrain: () => {},
    onClose: (error) => closes.push((error as NodeJS.ErrnoException | undefined)?.code),
  };
  return { got, closes, listener };
}

async function pair() {
  const w = world();
  const client = w.process("client", "a");
  const server = w.process("server", "b");
  const near = recorder();
  const far = recorder();
  const sockets: { near?: ByteSocket; far?: ByteSocket } = {};
  await w.net.network(server).listen({ host: "b", port: 0 }, (socket) => {
    sockets.far = socket;
    return far.listener;
  });
  void w.net
    .network(client)
    .connect({ host: "b", port: 20_000 }, () => near.listener, 1_000)
    .then((socket) => {
      sockets.near = socket;
    });
  await w.run(100);
  assert.ok(sockets.near !== undefined && sockets.far !== undefined);
  return { ...w, client, server, near, far, nearSocket: sockets.near, farSocket: sockets.far };
}

test("bytes arrive in order, however they are cut into chunks", async () => {
  const { nearSocket, far, run } = await pair();
  const sent: number[] = [];
  for (let i = 0; i < 200; i++) {
    nearSocket.write(Uint8Array.of(i, i + 1, i + 2));
    sent.push(...Uint8Array.of(i, i + 1, i + 2));
  }
  await run(200);
  assert.deepEqual(far.got, sent);
});

test("a cut holds bytes until it is repaired", async () => {
  const { nearSocket, far, topology, run } = await pair();
  topology.cut("a", "b");
  nearSocket.write(Uint8Array.of(1));
  await run(5_000);
  assert.deepEqual(far.got, []);
  topology.repairAll();
  nearSocket.write(Uint8Array.of(2));
  await run(6_000);
  assert.deepEqual(far.got, [1, 2]);
});

test("a process that is killed resets its connections after what it had sent", async () => {
  const { farSocket, server, near, run } = await pair();
  farSocket.write(Uint8Array.of(7));
  server.die(KILLED);
  await run(200);
  assert.deepEqual(near.got, [7]);
  assert.deepEqual(near.closes, ["ECONNRESET"]);
});

test("a machine that loses power closes nothing; writing to it after it came back resets", async () => {
  const { nearSocket, server, near, topology, run } = await pair();
  topology.setDown("b", true);
  server.die(POWER_LOST);
  nearSocket.write(Uint8Array.of(1));
  await run(5_000);
  assert.deepEqual(near.closes, []);
  topology.setDown("b", false);
  nearSocket.write(Uint8Array.of(2));
  await run(6_000);
  assert.deepEqual(near.closes, ["ECONNRESET"]);
});

test("connecting fails at once where nobody listens, and after its time-out into a cut", async () => {
  const { net, process, topology, run } = world();
  const client = net.network(process("client", "a"));
  const codes: (string | undefined)[] = [];
  const connect = (timeoutMs: number) => {
    client
      .connect({ host: "b", port: 1 }, () => recorder().listener, timeoutMs)
      .catch((error: NodeJS.ErrnoException) => {
        codes.push(error.code);
      });
  };
  connect(500);
  await run(100);
  assert.deepEqual(codes, ["ECONNREFUSED"]);
  topology.cut("a", "b");
  connect(500);
  await run(500);
  assert.equal(codes.length, 1);
  await run(700);
  assert.deepEqual(codes, ["ECONNREFUSED", "ETIMEDOUT"]);
});

test("a stopped process gets nothing until it goes on, a dead one never", async () => {
  const { nearSocket, server, far, run } = await pair();
  server.pause();
  nearSocket.write(Uint8Array.of(1));
  await run(1_000);
  assert.deepEqual(far.got, []);
  server.resume();
  await run(2_000);
  assert.deepEqual(far.got, [1]);
  server.die(KILLED);
  nearSocket.write(Uint8Array.of(2));
  await run(3_000);
  assert.deepEqual(far.got, [1]);
});

test("write says to wait above the high-water mark and onDrain says to go on", async () => {
  const w = await pair();
  let drains = 0;
  w.near.listener.onDrain = () => drains++;
  assert.equal(w.nearSocket.write(new Uint8Array(100_000)), false);
  await w.run(200);
  assert.equal(drains, 1);
});
