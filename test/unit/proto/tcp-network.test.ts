import assert from "node:assert/strict";
import { test } from "node:test";
import type { ByteSocket } from "../../../core/network.ts";
import { tcpNetwork } from "../../../proto/tcp-network.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

test("bytes go both ways, and a close is told to both ends once", async () => {
  const events: string[] = [];
  const closed: Promise<void>[] = [];
  const on = (name: string, onData: (socket: ByteSocket, text: string) => void) => (socket: ByteSocket) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    closed.push(promise);
    return {
      onData: (chunk: Uint8Array) => onData(socket, Buffer.from(chunk).toString()),
      onDrain() {},
      onClose() {
        events.push(`${name} closed`);
        resolve();
      },
    };
  };
  const listener = await tcpNetwork.listen(
    LOOPBACK,
    on("far", (socket, text) => void socket.write(Buffer.from(`${text}!`))),
  );
  const { promise: answered, resolve } = Promise.withResolvers<string>();
  const socket = await tcpNetwork.connect(
    listener.address,
    on("near", (_socket, text) => resolve(text)),
    1_000,
  );
  socket.write(Buffer.from("hello"));
  assert.equal(await answered, "hello!");
  await listener.close();
  socket.destroy();
  await Promise.all(closed);
  assert.deepEqual(events.toSorted(), ["far closed", "near closed"]);
});

test("a refused connection and a port in use are rejected with their codes", async () => {
  const listener = await tcpNetwork.listen(LOOPBACK, () => assert.fail());
  await assert.rejects(
    tcpNetwork.listen(listener.address, () => assert.fail()),
    { code: "EADDRINUSE" },
  );
  await listener.close();
  await assert.rejects(
    tcpNetwork.connect(listener.address, () => assert.fail(), 1_000),
    { code: "ECONNREFUSED" },
  );
});
