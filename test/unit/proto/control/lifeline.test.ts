import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { LifelineDown } from "../../../../core/process-config.ts";
import { connectLifeline } from "../../../../proto/control/lifeline.ts";

const folder = mkdtempSync(join(tmpdir(), "thornback-lifeline-"));
after(() => rmSync(folder, { recursive: true }));
const HELLO = { kind: "hello", role: "worker", pid: 7 } as const;

test("a process says hello, hears its supervisor and notices its end", async () => {
  const path = join(folder, "a.sock");
  const lines: string[] = [];
  const { promise: bothLines, resolve: gotBoth } = Promise.withResolvers<void>();
  const { promise: connected, resolve: gotSocket } = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    gotSocket(socket);
    socket.on("data", (chunk) => {
      lines.push(
        ...String(chunk)
          .split("\n")
          .filter((line) => line !== ""),
      );
      if (lines.length === 2) gotBoth();
    });
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  const { promise: message, resolve: gotMessage } = Promise.withResolvers<LifelineDown>();
  const { promise: closed, resolve: gotClose } = Promise.withResolvers<void>();
  const lifeline = connectLifeline(path, HELLO, { onMessage: gotMessage, onClose: gotClose });
  lifeline.send({ kind: "shutdown" });
  await bothLines;
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [HELLO, { kind: "shutdown" }],
  );
  const socket = await connected;
  socket.write('{"kind":"unknown"}\nnot json\n{"kind":"controllerAddress","address":{"host":"h","port":1}}\n');
  assert.deepEqual(await message, { kind: "controllerAddress", address: { host: "h", port: 1 } });
  socket.destroy();
  await closed;
  server.close();
});

test("a supervisor that is not there is one that is gone", async () => {
  await new Promise<void>((resolve) => {
    connectLifeline(join(folder, "none.sock"), HELLO, { onMessage() {}, onClose: resolve });
  });
});

test("a process that lets go hears nothing more, and one without a lifeline lives on its own", () => {
  const onClose = (): void => assert.fail("it let go itself");
  connectLifeline(join(folder, "none.sock"), HELLO, { onMessage() {}, onClose }).close();
  connectLifeline("", HELLO, { onMessage() {}, onClose }).send({ kind: "shutdown" });
});
