import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../../../core/clock.ts";
import { CONTROL_HELLO_TIMEOUT_MS, ORPHAN_AFTER_MS } from "../../../../core/limits.ts";
import { seededRandom } from "../../../../core/random.ts";
import type { AcceptChild, ControlLink, ControlServer } from "../../../../proto/control/link.ts";
import { connectControl, listenControl } from "../../../../proto/control/link.ts";
import type { ChildMessage, ParentMessage } from "../../../../proto/control/message.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const folder = mkdtempSync(join(tmpdir(), "thornback-link-"));
after(() => rmSync(folder, { recursive: true }));
let sockets = 0;

function deps(clock = systemClock) {
  return { clock, random: seededRandom(1), log: new RecordingLog() };
}

/** Values that come one by one, to be waited for. */
class Arrivals<T> {
  readonly all: T[] = [];
  #waiting: (() => void) | undefined;

  push(value: T): void {
    this.all.push(value);
    this.#waiting?.();
  }

  async until(isThere: (all: readonly T[]) => boolean): Promise<readonly T[]> {
    while (!isThere(this.all)) await new Promise<void>((resolve) => (this.#waiting = resolve));
    return this.all;
  }
}

/** A worker's socket that accepts the secret "s" and remembers what it hears. */
async function listen(path: string, greeting: readonly ParentMessage[] = [{ kind: "welcome" }]) {
  const heard = new Arrivals<ChildMessage>();
  const links: ControlLink[] = [];
  const accept: AcceptChild = (hello, link) => {
    heard.push(hello);
    if (hello.secret !== "s") return undefined;
    links.push(link);
    for (const message of greeting) link.send(message);
    return { onMessage: (message) => heard.push(message), onClose() {} };
  };
  const server = await listenControl(deps(), path, accept);
  return { server, heard, links };
}

function socketPath(): string {
  return join(folder, `${sockets++}.sock`);
}

/** A raw connection that says `text`; resolves when the other side closes it. */
function closesAfter(path: string, text: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.on("connect", () => socket.write(text));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
  });
}

const ORDER = { kind: "order", order: { replicaId: "r1" } } as ParentMessage;

test("a child finds a worker that starts later, and says its newest state again after every welcome", async () => {
  const path = socketPath();
  const heard = new Arrivals<ParentMessage>();
  const link = connectControl(
    deps(),
    { socketPath: path, id: "c1", secret: "s", pid: 7 },
    {
      onMessage: (message) => heard.push(message),
      onOrphaned: () => assert.fail("not an orphan"),
    },
  );
  assert.equal(link.send({ kind: "tableApplied", epoch: 1, version: 1 }), true);
  assert.equal(link.send({ kind: "tableApplied", epoch: 1, version: 2 }), true);
  assert.equal(link.send({ kind: "getNodeMetrics", id: 1 }), false, "nobody to answer it");

  const state = { kind: "tableApplied", epoch: 1, version: 2 };
  const hello = { kind: "hello", id: "c1", secret: "s", pid: 7 };
  const greeting: ParentMessage[] = [{ kind: "welcome" }, ORDER];
  const first = await listen(path, greeting);
  assert.deepEqual(await first.heard.until((all) => all.length === 2), [hello, state]);
  await heard.until((all) => all.length === 1);
  await first.server.close();

  const second = await listen(path, greeting);
  assert.deepEqual(await second.heard.until((all) => all.length === 2), [hello, state]);
  second.links[0]?.send({ kind: "getSamples", id: 9 });
  await heard.until((all) => all.length === 2);
  assert.deepEqual(heard.all, [ORDER, { kind: "getSamples", id: 9 }], "the order is heard once only");
  link.close();
  await second.server.close();
});

test("a child that asks for everything anew keeps its state and says it again", async (t) => {
  const path = socketPath();
  const { server, heard } = await listen(path);
  const link = connectControl(
    deps(),
    { socketPath: path, id: "c1", secret: "s", pid: 7 },
    { onMessage() {}, onOrphaned: () => assert.fail("not an orphan") },
  );
  t.after(() => {
    link.close();
    return server.close();
  });
  link.send({ kind: "proxy", address: { host: "h", port: 1 }, reason: "" });
  await heard.until((all) => all.length === 2);
  link.redial();
  await heard.until((all) => all.length === 4);
  assert.deepEqual(heard.all[3], { kind: "proxy", address: { host: "h", port: 1 }, reason: "" });
});

test("the socket is the owner's alone", async () => {
  const path = socketPath();
  const { server } = await listen(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await server.close();
});

test("what is not a hello, or too late with it, is cut off", async () => {
  const path = socketPath();
  const clock = new ManualClock();
  let accepted = 0;
  const connected = new Arrivals<void>();
  const server: ControlServer = await listenControl(deps(clock), path, () => {
    accepted++;
    return undefined;
  });
  await closesAfter(path, "GET / HTTP/1.1\r\n\r\n");
  await closesAfter(path, '{"kind":"replica","report":{}}\n');
  await closesAfter(path, '{"kind":"hello","id":"c1","secret":7,"pid":1}\n');
  assert.equal(accepted, 0);
  const silent = createConnection(path, () => connected.push());
  await connected.until((all) => all.length === 1);
  const closed = new Promise<void>((resolve) => silent.on("close", () => resolve()));
  // The server may see the connection a moment after this side does; its timer is there once it has.
  while (clock.pendingCount === 0) await new Promise<void>((resolve) => void setImmediate(resolve));
  clock.advance(CONTROL_HELLO_TIMEOUT_MS);
  await closed;
  await server.close();
});

test("a child whose worker stays away is an orphan, once", async () => {
  const clock = new ManualClock();
  let orphaned = 0;
  connectControl(
    deps(clock),
    { socketPath: socketPath(), id: "c1", secret: "s", pid: 7 },
    {
      onMessage() {},
      onOrphaned: () => orphaned++,
    },
  );
  clock.advance(ORPHAN_AFTER_MS - 1);
  assert.equal(orphaned, 0);
  clock.advance(ORPHAN_AFTER_MS);
  assert.equal(orphaned, 1);
});

test("a child that no worker knows believes it after some refusals", async () => {
  const path = socketPath();
  const clock = new ManualClock();
  const worker = await listen(path);
  const orphaned = new Arrivals<void>();
  connectControl(
    deps(clock),
    { socketPath: path, id: "c1", secret: "another", pid: 7 },
    {
      onMessage() {},
      onOrphaned: () => orphaned.push(),
    },
  );
  while (orphaned.all.length === 0) {
    clock.advance(250);
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  assert.equal(worker.heard.all.length, 25);
  await worker.server.close();
});
