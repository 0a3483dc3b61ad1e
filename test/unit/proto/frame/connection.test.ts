import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameConnection, type FrameListener } from "../../../../proto/frame/connection.ts";
import { FRAME } from "../../../../proto/frame/frame.ts";
import { MemorySocket } from "../../../fake/memory-network.ts";
import { settle } from "../../../fake/manual-clock.ts";

const BOUNDS = { mostHeadBytes: 65_535, mostBodyBytes: 1_000_000 };

function pair(): {
  near: FrameConnection;
  written: readonly Uint8Array[];
  nearSocket: MemorySocket;
  farSocket: MemorySocket;
  endTurn: () => void;
  received: string[];
  reasons: string[];
} {
  const [nearSocket, farSocket] = [new MemorySocket(), new MemorySocket()];
  nearSocket.join(farSocket);
  farSocket.join(nearSocket);
  const turnEnds: (() => void)[] = [];
  const defer = (callback: () => void): void => void turnEnds.push(callback);
  const received: string[] = [];
  const reasons: string[] = [];
  const listener = (name: string): FrameListener => ({
    onFrame: ({ kind, stream, head, body }) => received.push(`${name} ${kind} ${stream} ${head} ${body.length}`),
    onClose: (reason) => reasons.push(`${name}: ${reason}`),
  });
  const near = new FrameConnection({ socket: nearSocket, defer, bounds: BOUNDS, listener: listener("near") });
  const far = new FrameConnection({ socket: farSocket, defer, bounds: BOUNDS, listener: listener("far") });
  nearSocket.listener = near;
  farSocket.listener = far;
  const endTurn = (): void => turnEnds.splice(0).forEach((callback) => callback());
  return { near, written: nearSocket.written, nearSocket, farSocket, endTurn, received, reasons };
}

test("the first frame of a turn leaves at once, the others together at its end", async () => {
  const { near, written, endTurn, received } = pair();
  for (const stream of [1, 2, 3]) near.send(FRAME.REQUEST, stream, "h", [Uint8Array.of(1)]);
  assert.equal(written.length, 1);
  assert.equal(near.flushedFrames, 1);
  endTurn();
  assert.equal(written.length, 2);
  assert.equal(near.flushedFrames, 3);
  await settle();
  assert.deepEqual(received, ["far 3 1 h 1", "far 3 2 h 1", "far 3 3 h 1"]);
  near.send(FRAME.REQUEST, 4, "h");
  assert.equal(written.length, 3);
});

test("a large body is written from where it is, a small one is copied", () => {
  const { near, written } = pair();
  const large = new Uint8Array(9_000);
  near.send(FRAME.REQUEST, 1, "h", [large]);
  assert.ok(written.includes(large));
});

test("frames of all sizes arrive whole", async () => {
  const { near, endTurn, received } = pair();
  const sizes = [0, 100, 8_192, 8_193, 70_000, 3];
  for (const [at, size] of sizes.entries())
    near.send(FRAME.ANSWER, at + 1, "x".repeat(size % 65_536), [new Uint8Array(size)]);
  endTurn();
  await settle();
  assert.deepEqual(
    received.map((line) => Number(line.split(" ").at(-1))),
    sizes,
  );
});

test("garbage closes the connection with its reason, and nothing more is heard of it", async () => {
  const { nearSocket, received, reasons } = pair();
  nearSocket.write(Buffer.alloc(40, 255));
  await settle();
  assert.equal(received.length, 0);
  assert.ok(reasons.some((line) => /^far: a frame's (head|body) has/.test(line)));
});

test("a close is told once to each end, and frames after it go nowhere", async () => {
  const { near, written, reasons, endTurn } = pair();
  near.close("enough");
  near.close("again");
  near.send(FRAME.REQUEST, 1, "h");
  endTurn();
  await settle();
  assert.deepEqual(reasons.toSorted(), ["far: the peer closed the connection", "near: enough"]);
  assert.equal(written.length, 0);
  assert.equal(near.flushedFrames, 0);
});

/** Takes what is written only when it is told to. */
class SlowSocket extends MemorySocket {
  unsentBytes = 0;
  onWritten: (() => void) | undefined;
  isSlow = false;

  override write(chunk: Uint8Array, onWritten?: () => void): boolean {
    if (this.isSlow) this.unsentBytes += chunk.byteLength;
    this.onWritten = onWritten ?? this.onWritten;
    return super.write(chunk);
  }

  sendOut(bytes: number): void {
    this.unsentBytes -= bytes;
    this.onWritten?.();
  }
}

test("what is lent is free once its bytes are written, in order, and at the latest with the close", async () => {
  const socket = new SlowSocket();
  const listener: FrameListener = { onFrame() {}, onClose() {} };
  const connection = new FrameConnection({ socket, defer() {}, bounds: BOUNDS, listener });
  socket.listener = connection;
  const freed: string[] = [];
  const lend = (name: string): string => connection.lend(1, new Uint8Array(20_000), () => freed.push(name));
  assert.equal(lend("at once"), "free");
  socket.isSlow = true;
  assert.deepEqual([lend("a"), lend("b"), lend("c")], ["held", "held", "held"]);
  socket.sendOut(20_000);
  assert.deepEqual(freed, []);
  socket.sendOut(12);
  assert.deepEqual(freed, ["a"]);
  socket.sendOut(20_012);
  assert.deepEqual(freed, ["a", "b"]);
  connection.close("enough");
  assert.equal(lend("late"), "free");
  await settle();
  assert.deepEqual(freed, ["a", "b", "c"]);
});

test("a socket that cannot tell what it has written keeps what is lent", () => {
  assert.equal(pair().near.lend(1, new Uint8Array(20_000), assert.fail), "kept");
});
