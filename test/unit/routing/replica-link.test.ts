import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../../fake/manual-clock.ts";
import type { MemorySocket } from "../../fake/memory-network.ts";
import { RoutingBed } from "../../fake/routing-bed.ts";
import { deploymentEntry } from "../../fake/table.ts";

/** A bed with one replica whose second connection, bulk, is changed as it is made. */
async function bulkBed(
  change: (socket: MemorySocket) => void,
): Promise<{ bed: RoutingBed; answer: () => Promise<void> }> {
  const bed = new RoutingBed();
  const replica = await bed.replica("r1");
  const { network } = bed;
  const connect = network.connect.bind(network);
  let count = 0;
  network.connect = async (address, listener) => {
    const before = new Set(network.sockets);
    const socket = await connect(address, listener);
    count += 1;
    if (count === 2) for (const made of network.sockets) if (!before.has(made)) change(made);
    return socket;
  };
  await bed.table([deploymentEntry({}), { kind: "replica", ...replica.entry }]);
  bed.send("a");
  await settle();
  const answer = async (): Promise<void> => {
    replica.handler.requests[0]?.answer("ok");
    await settle();
  };
  return { bed, answer };
}

test("a replica that is busy for longer than a handshake may take, right after its link is open, loses nothing", async () => {
  const { bed, answer } = await bulkBed((socket) => (socket.isHeld = true));
  await bed.clock.advanceAsync(2_500);
  await answer();
  assert.deepEqual(bed.ends, ["a ok"]);
});

test("a second connection that fails while it is made is tried again, and costs no request", async () => {
  const { bed, answer } = await bulkBed((socket) => socket.destroy(new Error("read ECONNRESET")));
  const before = bed.network.connects;
  await bed.clock.advanceAsync(5_000);
  assert.equal(bed.network.connects, before + 1);
  await answer();
  assert.deepEqual(bed.ends, ["a ok"]);
});

test("a long answer goes by the second connection, where small ones do not wait behind it", async () => {
  const bed = new RoutingBed();
  const [replica] = await bed.serve([{ id: "r1" }]);
  bed.send("a");
  await settle();
  const bytes: number[] = [];
  for (const { listener } of bed.network.sockets) {
    assert.ok(listener !== undefined);
    const onData = listener.onData.bind(listener);
    const at = bytes.push(0) - 1;
    listener.onData = (chunk) => {
      bytes[at] = (bytes[at] ?? 0) + chunk.byteLength;
      onData(chunk);
    };
  }
  replica?.handler.requests[0]?.answerWith([new Uint8Array(100_000)]);
  await settle();
  assert.ok((bytes[0] ?? 0) < 1_000 && (bytes[1] ?? 0) > 100_000, `main ${bytes[0]}, bulk ${bytes[1]}`);
});
