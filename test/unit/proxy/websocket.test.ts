import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import type { WebSocket } from "ws";
import { NotFoundError, ReplicaLostError, type ServeError } from "../../../core/error.ts";
import { SOCKET_PING_MS, STREAM_WINDOW_BYTES } from "../../../core/limits.ts";
import { metricText } from "../../../core/metric-text.ts";
import { BodyStream, isStream, type BodyReceiver } from "../../../proto/body.ts";
import { RECORD, RecordReader, recordToWire } from "../../../proto/codec/record.ts";
import { createNodeFront } from "../../../proxy/node-front.ts";
import type { RouterRequest } from "../../../routing/routed-request.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { routed } from "../../fake/scripted-routers.ts";
import { echoSocket, FRONTS, socketBed, type SocketBed } from "../../fake/socket-bed.ts";
import { routeEntry } from "../../fake/table.ts";

const beds: SocketBed[] = [];
after(() => {
  for (const bed of beds) bed.close();
});

async function start(
  ...[answer, more]: [Parameters<typeof socketBed>[1], Parameters<typeof socketBed>[2]?]
): Promise<SocketBed> {
  const bed = await socketBed(createNodeFront, answer, more);
  beds.push(bed);
  return bed;
}

/** A replica's two ends of a socket, for a test to hold. */
class ReplicaEnd implements BodyReceiver {
  readonly records: string[] = [];
  readonly answer: BodyStream;
  readonly messages: BodyStream;
  consumedBytes = 0;
  ending: ServeError | "end" | undefined;
  readonly #reader = new RecordReader(
    2 ** 20,
    (kind, payload) => void this.records.push(`${kind} ${Buffer.from(payload)}`),
  );
  #wake: () => void = () => {};

  constructor(request: RouterRequest) {
    if (!isStream(request.body)) throw new Error("no stream of messages");
    this.messages = request.body;
    this.answer = new BodyStream({
      onConsumed: (bytes) => {
        this.consumedBytes += bytes;
        this.#wake();
      },
      onCancel: (error) => {
        this.ending = error;
        this.#wake();
      },
    });
  }

  onData(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    this.messages.consumed(bytes.byteLength);
    this.#wake();
  }

  onEnd(): void {
    this.ending = "end";
    this.#wake();
  }

  onError(error: ServeError): void {
    this.ending = error;
    this.#wake();
  }

  send(kind: 1 | 2 | 3 | 4, ...payload: Uint8Array[]): void {
    for (const part of recordToWire(kind, payload)) this.answer.write(part);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

/** A bed whose replica is in the test's hands, and an open client of it. */
async function held(
  more?: Parameters<typeof socketBed>[2],
): Promise<{ bed: SocketBed; client: WebSocket; end: ReplicaEnd }> {
  const { promise, resolve } = Promise.withResolvers<ReplicaEnd>();
  const bed = await start((request) => {
    const end = new ReplicaEnd(request);
    resolve(end);
    return Promise.resolve(routed(101, end.answer));
  }, more);
  const client = bed.connect();
  const [end] = await Promise.all([promise, once(client, "open")]);
  return { bed, client, end };
}

async function closed(client: WebSocket): Promise<string> {
  const [code, reason] = (await once(client, "close")) as [number, Buffer];
  return `${code} ${reason}`.trim();
}

test("a message comes back as it went, text as text and bytes as bytes, and a close as the code that was sent", async () => {
  const bed = await start(echoSocket, { routes: [routeEntry("/chat")] });
  const client = bed.connect("/chat/room?x=1", [], { "x-session-id": "s1", "x-thornback-priority": "3" });
  await once(client, "open");
  for (const [sent, isBinary] of [
    ["héllo", false],
    [Buffer.from([0, 255]), true],
    ["", false],
    ["x".repeat(300_000), false],
  ] as const) {
    client.send(sent);
    const [data, isBinaryBack] = (await once(client, "message")) as [Buffer, boolean];
    assert.equal(isBinaryBack, isBinary);
    assert.deepEqual(data, Buffer.from(sent));
  }
  client.close(4_001, "done");
  assert.equal(await closed(client), "4001 done");
  const [request] = bed.routers.requests;
  assert.equal(request?.head.kind, "socket");
  assert.deepEqual([request.priority, request.key, request.isIdempotent], [3, "s1", true]);
  assert.deepEqual([request.head.method, request.head.path, request.head.prefix], ["GET", "/room?x=1", "/chat"]);
  const names = request.head.headers.filter((_text, at) => at % 2 === 0);
  assert.deepEqual(
    names.filter((name) => /^(sec-|upgrade$|connection$)/.test(name)),
    [],
  );
});

test("an upgrade that is refused is answered as any request, whoever refuses it", async () => {
  const bed = await start(
    (request) => {
      if (request.head.kind !== "call" && request.head.path === "/stream") {
        const body = new BodyStream({ onConsumed() {}, onCancel() {} });
        body.write(Buffer.from("not "));
        body.write(Buffer.from("today"));
        body.end();
        return Promise.resolve(routed(403, body));
      }
      return Promise.reject(new NotFoundError("route_not_found", "this class has no websocket"));
    },
    { routes: [routeEntry("/a")] },
  );
  const refused = async (client: WebSocket): Promise<{ status: number; text: string }> => {
    const [, response] = (await once(client, "unexpected-response")) as [
      unknown,
      AsyncIterable<Buffer> & { statusCode: number },
    ];
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part);
    return { status: response.statusCode, text: Buffer.concat(parts).toString() };
  };
  assert.deepEqual(await refused(bed.connect("/a/stream")), { status: 403, text: "not today" });
  for (const path of ["/a", "/b", "/-/livez"]) {
    const { status, text } = await refused(bed.connect(path));
    assert.equal(status, 404, path);
    assert.match(text, /"code":"route_not_found"/);
  }
  const bad = await refused(bed.connect("/a", [], { "x-thornback-priority": "high" }));
  assert.equal(bad.status, 400);
  assert.match(metricText(bed.metrics.samples()), /requests_total\{application="app",status="403"\} 1/);
});

test("the application's subprotocol is spoken, else the client's first", async () => {
  const bed = await start(async (request) => {
    const { answer, version } = await echoSocket(request);
    const chosen = request.head.kind !== "call" && request.head.path === "/b" ? ["Sec-WebSocket-Protocol", "b"] : [];
    return { answer: { ...answer, headers: [...chosen, "x-mine", "1", "content-length", "9"] }, version };
  });
  for (const [path, protocol] of [
    ["/", "a"],
    ["/b", "b"],
  ] as const) {
    const client = bed.connect(path, ["a", "b"]);
    const opened = once(client, "open");
    const [response] = (await once(client, "upgrade")) as [{ headers: Record<string, string> }];
    assert.equal(response.headers["x-mine"], "1");
    assert.equal(response.headers["content-length"], undefined);
    assert.equal(response.headers["x-thornback-version"], "v1");
    assert.match(response.headers["x-request-id"] ?? "", /^\w{12}-\d$/);
    await opened;
    assert.equal(client.protocol, protocol);
  }
});

test("a client that closes is heard by the replica, and one that is lost fails its messages and cancels the answer", async () => {
  const { client, end } = await held();
  end.messages.receive(end);
  client.send("one");
  client.close(1_000, "bye");
  await end.until(() => end.ending !== undefined);
  assert.equal(end.ending, "end");
  assert.deepEqual(end.records, ["1 one", `3 ${Buffer.from([3, 232])}bye`]);
  end.answer.end();
  const lost = await held();
  lost.end.messages.receive(lost.end);
  lost.client.terminate();
  await lost.end.until(() => lost.end.answer.isSettled);
  assert.equal((lost.end.ending as ServeError).code, "cancelled");
});

for (const [name, createFront] of FRONTS) {
  test(`${name}: a client that closes its WebSocket has not gone away: its request is not cancelled`, async () => {
    const bed = await socketBed(createFront, echoSocket);
    beds.push(bed);
    const client = bed.connect();
    await once(client, "open");
    client.close(4_000);
    await once(client, "close");
    // Resolves when the proxy has seen the end of the connection too.
    await bed.proxy.drain();
    assert.equal(bed.routers.requests[0]?.cancellation?.reason, undefined);
  });
}

test("how a replica ends its answer decides the close code: its own, 1000, or 1011 when it is lost", async () => {
  const cases: [string, (end: ReplicaEnd) => void][] = [
    ["4000 enough", (end) => end.send(RECORD.CLOSE, Buffer.from([0x0f, 0xa0]), Buffer.from("enough"))],
    ["1000", (end) => end.send(RECORD.CLOSE)],
    ["1000", (end) => end.answer.end()],
    ["1011 replica_lost", (end) => end.answer.fail(new ReplicaLostError("gone"))],
    ["1011", (end) => end.send(RECORD.CLOSE, Buffer.from([3, 237]))],
    ["1011 internal", (end) => end.answer.write(Buffer.from("this is no record"))],
  ];
  for (const [expected, finish] of cases) {
    const { client, end } = await held();
    finish(end);
    assert.equal(await closed(client), expected);
  }
});

test("a replica that does not take messages stops the client, and takes all of them later", async () => {
  const { client, end } = await held();
  const message = Buffer.alloc(64 * 1024, "m");
  const count = 64;
  let sentCount = 0;
  for (let at = 0; at < count; at++) client.send(message, () => (sentCount += 1));
  const held64 = STREAM_WINDOW_BYTES + 2 * message.length;
  while (end.messages.outstandingBytes < STREAM_WINDOW_BYTES) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(end.messages.outstandingBytes <= held64, `${end.messages.outstandingBytes} bytes are held`);
  end.messages.receive(end);
  await end.until(() => end.records.length === count);
  assert.equal(end.messages.outstandingBytes, 0);
  assert.equal(sentCount, count);
});

test("a client that does not read stops the replica: what it has not taken is not used up", async () => {
  const { client, end } = await held();
  client.pause();
  const payload = Buffer.alloc(128 * 1024);
  let sentBytes = 0;
  // Loopback's own buffers take some megabytes before anything stays behind.
  while (sentBytes - end.consumedBytes < 4 * payload.length) {
    end.send(RECORD.BINARY, payload);
    sentBytes += payload.length + 5;
    await new Promise((resolve) => setImmediate(resolve));
  }
  let receivedBytes = 0;
  client.on("message", (data: Buffer) => (receivedBytes += data.length));
  client.resume();
  await end.until(() => end.consumedBytes === sentBytes);
  end.answer.end();
  await closed(client);
  assert.ok(receivedBytes > 0);
});

test("draining tells every client to go away, ends when they have, and takes no new ones", async () => {
  const { bed, client, end } = await held();
  end.messages.receive(end);
  const drained = bed.proxy.drain();
  assert.equal(await closed(client), "1001 the server is going away");
  await end.until(() => end.ending === "end");
  end.answer.end();
  await drained;
  const [, response] = (await once(bed.connect(), "unexpected-response")) as [unknown, { statusCode: number }];
  assert.equal(response.statusCode, 503);
});

test("a replica that does not end after its client has closed is cancelled after a while", async () => {
  const clock = new ManualClock();
  const { client, end } = await held({ clock });
  end.messages.receive(end);
  client.close();
  await end.until(() => end.ending === "end");
  while (clock.pendingCount < 2) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(5_000);
  assert.equal(end.answer.isSettled, true);
  assert.equal((end.ending as unknown as ServeError).code, "cancelled");
});

test("a client that answers no pings is cut off, one that does is kept", async () => {
  const clock = new ManualClock();
  const { bed, client, end } = await held({ clock });
  end.messages.receive(end);
  for (let round = 0; round < 4; round++) {
    clock.advance(SOCKET_PING_MS);
    await once(client, "ping");
    client.send("still here");
    await end.until(() => end.records.length === round + 1);
  }
  assert.match(metricText(bed.metrics.samples()), /thornback_http_websockets\{application="app"\} 1/);
  client.pause();
  for (let round = 0; round < 3; round++) clock.advance(SOCKET_PING_MS);
  await end.until(() => end.answer.isSettled);
  const text = metricText(bed.metrics.samples());
  assert.match(text, /thornback_http_websockets\{application="app"\} 0/);
  assert.match(text, /requests_total\{application="app",status="101"\} 1/);
});

test("a flood of pings is closed with 1008; some are answered", async () => {
  const { client, end } = await held();
  end.messages.receive(end);
  client.ping("a");
  const [data] = (await once(client, "pong")) as [Buffer];
  assert.equal(data.toString(), "a");
  for (let count = 0; count < 200; count++) client.ping();
  assert.equal(await closed(client), "1008 too many pings");
});
