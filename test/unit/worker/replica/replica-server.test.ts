import assert from "node:assert/strict";
import { test } from "node:test";
import { helloToWire, requestHeadToWire } from "../../../../proto/codec/exchange.ts";
import { FrameConnection } from "../../../../proto/frame/connection.ts";
import { FRAME } from "../../../../proto/frame/frame.ts";
import { settle } from "../../../fake/manual-clock.ts";
import { RoutingBed, routerRequest, type BedReplica } from "../../../fake/routing-bed.ts";

type Peer = { connection: FrameConnection; frames: string[]; reasons: string[] };

/** A router that says what the test wants it to say. */
async function connect(bed: RoutingBed, replica: BedReplica): Promise<Peer> {
  const peer: Partial<Peer> & Pick<Peer, "frames" | "reasons"> = { frames: [], reasons: [] };
  await bed.network.connect(replica.server.address, (socket) => {
    peer.connection = new FrameConnection({
      socket,
      defer: (callback) => queueMicrotask(callback),
      bounds: { mostHeadBytes: 65_535, mostBodyBytes: 65_535 },
      listener: {
        onFrame: ({ kind, stream, head }) => peer.frames.push(`${kind} ${stream} ${head.split("\n")[0] ?? ""}`),
        onClose: (reason) => peer.reasons.push(reason),
      },
    });
    return peer.connection;
  });
  assert.ok(peer.connection !== undefined);
  return { ...peer, connection: peer.connection };
}

const HELLO = { replicaId: "r1", callSecret: "secret", linkId: "l1", part: "main" } as const;
const RIGHT = helloToWire(HELLO);
const REQUEST = requestHeadToWire(routerRequest("a").head, 1_000);

async function fixture(): Promise<{ bed: RoutingBed; replica: BedReplica; peer: Peer }> {
  const bed = new RoutingBed();
  const replica = await bed.replica("r1");
  return { bed, replica, peer: await connect(bed, replica) };
}

test("a router with the right secret is welcomed, and each request is answered once", async () => {
  const { peer, replica } = await fixture();
  peer.connection.send(FRAME.HELLO, 0, RIGHT);
  peer.connection.send(FRAME.REQUEST, 1, REQUEST);
  peer.connection.send(FRAME.REQUEST, 2, "nonsense");
  await settle();
  replica.handler.requests[0]?.answer("x");
  await settle();
  assert.deepEqual(peer.frames, ["2 0 3", "5 2 invalid_request", "4 1 200"]);
});

for (const [name, hello] of [
  ["another replica's id", helloToWire({ ...HELLO, replicaId: "r2" })],
  ["a wrong secret", helloToWire({ ...HELLO, callSecret: "secre" })],
  ["an empty secret", helloToWire({ ...HELLO, callSecret: "" })],
  ["another version", "7\nr1\nsecret"],
] as const) {
  test(`a router with ${name} is told so and cut off`, async () => {
    const { peer, replica } = await fixture();
    peer.connection.send(FRAME.HELLO, 0, hello);
    peer.connection.send(FRAME.REQUEST, 1, REQUEST);
    await settle();
    assert.deepEqual(peer.frames, ["5 0 permission_denied"]);
    assert.equal(peer.reasons.length, 1);
    assert.equal(replica.handler.requests.length, 0);
  });
}

test("one that says something else first, or too much, or nothing in time, is cut off", async () => {
  const { bed, peer, replica } = await fixture();
  peer.connection.send(FRAME.REQUEST, 1, REQUEST);
  const long = await connect(bed, replica);
  long.connection.send(FRAME.HELLO, 0, "x".repeat(2_000));
  const silent = await connect(bed, replica);
  await settle();
  assert.deepEqual([peer.reasons.length, long.reasons.length, silent.reasons.length], [1, 1, 0]);
  await bed.clock.advanceAsync(2_100);
  assert.equal(silent.reasons.length, 1);
  assert.equal(replica.handler.requests.length, 0);
});

test("a cancel reaches its request alone; a lost connection cancels all that came over it", async () => {
  const { bed, peer, replica } = await fixture();
  const other = await connect(bed, replica);
  peer.connection.send(FRAME.HELLO, 0, RIGHT);
  other.connection.send(FRAME.HELLO, 0, helloToWire({ ...HELLO, linkId: "l2" }));
  for (const stream of [1, 2]) peer.connection.send(FRAME.REQUEST, stream, REQUEST);
  other.connection.send(FRAME.REQUEST, 1, REQUEST);
  peer.connection.send(FRAME.CANCEL, 1, "");
  peer.connection.send(FRAME.CANCEL, 9, "");
  await settle();
  const cancelled = (): (string | undefined)[] =>
    replica.handler.requests.map((request) => request.cancellation.reason?.code);
  assert.deepEqual(cancelled(), ["cancelled", undefined, undefined]);
  peer.connection.close("bye");
  await settle();
  assert.deepEqual(cancelled(), ["cancelled", "cancelled", undefined]);
});

test("routers that are connected, and those that come later, are told to go away", async () => {
  const { bed, peer, replica } = await fixture();
  peer.connection.send(FRAME.HELLO, 0, RIGHT);
  await settle();
  replica.server.goAway();
  const late = await connect(bed, replica);
  late.connection.send(FRAME.HELLO, 0, helloToWire({ ...HELLO, linkId: "l2" }));
  await settle();
  assert.deepEqual(peer.frames, ["2 0 3", "7 0 "]);
  assert.deepEqual(late.frames, ["2 0 3", "7 0 "]);
});

test("an answer that HTTP does not allow is the handler's failure; an unknown error is ours and is logged", async () => {
  const { bed, peer, replica } = await fixture();
  replica.handler.handle = (head) =>
    head.requestId === "a"
      ? Promise.resolve({ status: 200, headers: ["x", "a\nb"], body: [] })
      : Promise.reject(new Error("boom"));
  peer.connection.send(FRAME.HELLO, 0, RIGHT);
  peer.connection.send(FRAME.REQUEST, 1, REQUEST);
  peer.connection.send(FRAME.REQUEST, 2, requestHeadToWire(routerRequest("b").head, 1_000));
  await settle();
  assert.deepEqual(peer.frames.toSorted(), ["2 0 3", "5 1 handler_failed", "5 2 internal"]);
  assert.equal(bed.log.lines.filter((line) => line.level === "error").length, 1);
});

test("a bulk connection belongs to the link whose name it says; one without a link is cut off", async () => {
  const { bed, peer, replica } = await fixture();
  const bulk = await connect(bed, replica);
  bulk.connection.send(FRAME.HELLO, 0, helloToWire({ ...HELLO, part: "bulk" }));
  await settle();
  assert.deepEqual([bulk.frames, bulk.reasons.length], [[], 1]);
  peer.connection.send(FRAME.HELLO, 0, RIGHT);
  const second = await connect(bed, replica);
  second.connection.send(FRAME.HELLO, 0, helloToWire({ ...HELLO, part: "bulk" }));
  const third = await connect(bed, replica);
  third.connection.send(FRAME.HELLO, 0, helloToWire({ ...HELLO, part: "bulk" }));
  await settle();
  assert.deepEqual([second.frames, second.reasons.length, third.reasons.length], [["2 0 3"], 0, 1]);
  second.connection.close("bye");
  await settle();
  assert.equal(peer.reasons.length, 1);
});

test("a router that asks is told how many requests there are", async () => {
  const { peer } = await fixture();
  peer.connection.send(FRAME.HELLO, 0, RIGHT);
  peer.connection.send(FRAME.REQUEST, 1, REQUEST);
  peer.connection.send(FRAME.PING, 0, "");
  await settle();
  assert.deepEqual(peer.frames, ["2 0 3", "11 0 1"]);
});

test("a router that does not close its connection does not keep the replica from ending", async () => {
  const { bed, peer, replica } = await fixture();
  peer.connection.send(FRAME.HELLO, 0, RIGHT);
  peer.connection.send(FRAME.REQUEST, 1, REQUEST);
  await settle();
  const closed = replica.server.close();
  await bed.clock.advanceAsync(1_000);
  await closed;
  await settle();
  assert.equal(peer.reasons.length, 1);
  assert.equal(replica.handler.requests[0]?.cancellation.reason?.code, "cancelled");
});
