import assert from "node:assert/strict";
import { connect, createServer, type AddressInfo, type OnReadOpts, type Socket } from "node:net";
import { test } from "node:test";
import type { Lent } from "../../../core/network.ts";
import { adopt, type ReadListener, SocketReads } from "../../../proto/socket-reads.ts";

const LARGE = 64 * 1024;

/** Reads as Node does it, and what became of them. */
function bed(answers: Lent[] = []): {
  read: (letter: string, length: number) => Buffer;
  heard: string[];
  free: () => void;
} {
  const heard: string[] = [];
  let onFree = (): void => assert.fail("nothing was lent");
  const listener: ReadListener = {
    onData(bytes) {
      heard.push(`own ${bytes.length}${String.fromCharCode(bytes[0] ?? 0)}`);
      return true;
    },
    onLentData(bytes, free) {
      heard.push(`lent ${bytes.length}${String.fromCharCode(bytes[0] ?? 0)}`);
      onFree = free;
      return answers.shift() ?? "free";
    },
  };
  const reads: OnReadOpts = new SocketReads(listener);
  const next = reads.buffer as () => Uint8Array;
  let memory = next() as Buffer;
  const read = (letter: string, length: number): Buffer => {
    const used = memory;
    used.fill(letter, 0, length);
    reads.callback(length, used);
    memory = next() as Buffer;
    return used;
  };
  return { read, heard, free: () => onFree() };
}

test("small reads are copied, and sockets with nothing else share their memory", () => {
  const [one, other] = [bed(), bed()];
  assert.equal(one.read("a", 100), other.read("b", 100));
  assert.deepEqual([...one.heard, ...other.heard], ["own 100a", "own 100b"]);
});

test("after one large read the next are lent, in memory that is used again while nobody needs it", () => {
  const { read, heard } = bed();
  read("a", LARGE);
  const block = read("b", LARGE);
  assert.equal(read("c", LARGE), block);
  assert.deepEqual(heard, [`own ${LARGE}a`, `lent ${LARGE}b`, `lent ${LARGE}c`]);
});

test("memory that somebody keeps is never read into again, and what is held only once it is free", () => {
  const { read, free } = bed(["kept", "held"]);
  read("a", LARGE);
  const kept = read("b", LARGE);
  const held = read("c", LARGE);
  const third = read("d", LARGE);
  free();
  assert.equal(new Set([kept, held, third]).size, 3);
  assert.deepEqual([kept[0], held[0]], [0x62, 0x63]);
});

test("what was held and is free again serves the next socket that needs memory", () => {
  const { read, free } = bed(["held"]);
  read("a", LARGE);
  const held = read("b", LARGE);
  free();
  const other = bed();
  other.read("c", LARGE);
  assert.equal(other.read("d", LARGE), held);
});

test("a socket that has only small reads for a while gives up its memory", () => {
  const [one, other] = [bed(), bed()];
  one.read("a", LARGE);
  const block = one.read("b", LARGE);
  for (let count = 0; count < 8; count++) one.read("c", 10);
  assert.notEqual(one.read("c", 10), block);
  other.read("d", LARGE);
  assert.equal(other.read("e", LARGE), block);
});

test(
  "a socket that has filled a read has had its turn, and others go on before it does again",
  { timeout: 10_000 },
  async (t) => {
    // A turn that lasts has room for more.
    t.mock.method(performance, "now", () => 0);
    const order: string[] = [];
    const bulk = (name: string): SocketReads => {
      const reads = new SocketReads({ onData: () => true, onLentData: () => "free" });
      const socket = { destroyed: false, isPaused: () => name === "paused", resume: () => order.push(name) };
      reads.socket = socket as unknown as Socket;
      return reads;
    };
    /** Reads as long as it may. */
    const fill = (reads: SocketReads): number => {
      for (let count = 1; ; count++) if (!reads.callback(LARGE, (reads.buffer as () => Uint8Array)())) return count;
    };
    // Turns of other tests come to an end.
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    const [a, b, paused, c] = [bulk("a"), bulk("b"), bulk("paused"), bulk("c")];
    assert.deepEqual([a, b, paused, c].map(fill), [2, 2, 2, 2]);
    while (order.length < 2) await new Promise(setImmediate);
    assert.deepEqual(order, ["a", "b"]);
    assert.equal(fill(a), 1);
    while (order.length < 4) await new Promise(setImmediate);
    assert.deepEqual(order, ["a", "b", "c", "a"], "one that its listener paused stays so");
  },
);

test("a read that empties the socket is no turn", () => {
  const reads = new SocketReads({ onData: () => true, onLentData: () => "free" });
  assert.equal(reads.callback(LARGE - 1, Buffer.alloc(LARGE)), true);
});

test(
  "an adopted socket reads, writes, hears the end, and is its server's until it closes",
  { timeout: 10_000 },
  async () => {
    let receivedBytes = 0;
    let adopted: Socket | undefined;
    const { promise: ended, resolve: onEnd } = Promise.withResolvers<void>();
    const count = (bytes: Buffer): void => void (receivedBytes += bytes.length);
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (accepted) => {
      const listener: ReadListener = {
        onData(bytes) {
          count(bytes);
          return true;
        },
        onLentData(bytes) {
          count(bytes);
          return "free";
        },
      };
      adopted = adopt(accepted, listener, true);
      adopted.on("end", () => {
        adopted?.end("thanks");
        onEnd();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const { promise: answered, resolve: onAnswer } = Promise.withResolvers<string>();
    client.on("data", (bytes: Buffer) => onAnswer(bytes.toString()));
    client.end(Buffer.alloc(3_000_000));
    await ended;
    assert.equal(receivedBytes, 3_000_000);
    assert.notEqual(adopted?.remoteAddress, undefined);
    let isServerClosed = false;
    const closed = new Promise<void>((resolve) =>
      server.close(() => {
        isServerClosed = true;
        resolve();
      }),
    );
    assert.equal(isServerClosed, false);
    assert.equal(await answered, "thanks");
    await closed;
  },
);
