import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, test } from "node:test";
import { stopAccepting } from "../../../proxy/stop-accepting.ts";

const sockets: Socket[] = [];
after(() => {
  for (const socket of sockets) socket.destroy();
});

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Dials, and says how it went once the server has said or done anything. */
function dial(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  return new Promise((resolve) => {
    socket.once("data", (data) => resolve(data.toString()));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    socket.once("close", () => resolve("closed"));
  });
}

test("connections that wait in the kernel's queue are served before the listener closes", async () => {
  const server = createServer((socket) => void socket.end("served"));
  const port = await listening(server);
  // Their handshakes are the kernel's work, so all of them wait before the loop has turned once.
  const outcomes = Array.from({ length: 50 }, () => dial(port));
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  stopAccepting(server, resolve);
  assert.deepEqual(new Set(await Promise.all(outcomes)), new Set(["served"]));
  await closed;
  assert.equal(await dial(port), "ECONNREFUSED");
});

test("connections that are idle stay open, also those of an HTTP server", async () => {
  const server = createHttpServer((_request, response) => response.end("served"));
  const port = await listening(server);
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  const ask = async (): Promise<string> => {
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    const [data] = (await once(socket, "data")) as [Buffer];
    return data.toString();
  };
  assert.match(await ask(), /^HTTP\/1\.1 200/);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  stopAccepting(server, resolve);
  while (server.listening) await new Promise((next) => setImmediate(next));
  assert.match(await ask(), /^HTTP\/1\.1 200/);
  socket.end();
  await closed;
});

test("a listener that is closed already is called back all the same", async () => {
  const server = createServer();
  await listening(server);
  server.close();
  await new Promise<void>((resolve) => stopAccepting(server, resolve));
});
