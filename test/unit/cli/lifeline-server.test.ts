import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { LifelineServer } from "../../../cli/lifeline-server.ts";

test("what is no message of ours ends its connection and reaches nobody", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "thornback-test-"));
  const socketPath = path.join(folder, "lifeline.sock");
  const heard: string[] = [];
  const server = new LifelineServer({ onMessage: (message) => heard.push(message.kind) });
  await server.listen(socketPath);
  try {
    for (const line of [
      "nonsense",
      "null",
      "[]",
      '{"kind":"hello"}',
      '{"kind":"controllerReady"}',
      '{"kind":"controllerReady","admin":{"host":"127.0.0.1","port":1},"grpc":{}}',
      '{"kind":"proxyReady","address":null}',
      '{"kind":"failed"}',
      '{"kind":"unknown"}\n{"kind":"shutdown"}',
    ]) {
      const socket = connect(socketPath);
      socket.on("error", () => undefined);
      socket.write(`${line}\n`);
      await once(socket, "close");
    }
    assert.deepEqual(heard, []);
    const ours = connect(socketPath);
    ours.write('{"kind":"hello","role":"worker","pid":7}\n{"kind":"shutdown"}\n');
    ours.end();
    ours.resume();
    await once(ours, "close");
    assert.deepEqual(heard, ["hello", "shutdown"]);
  } finally {
    server.close(socketPath);
    rmSync(folder, { recursive: true, force: true });
  }
});
