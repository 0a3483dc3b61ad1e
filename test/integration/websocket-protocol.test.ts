/**
 * What RFC 6455 asks of a server, frame by frame, on both fronts: the cases of the Autobahn test suite in short.
 * The suite itself runs where it is installed: see websocket-autobahn.test.ts.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { MOST_SOCKET_MESSAGE_BYTES } from "../../core/limits.ts";
import { RawSocket, rawFrame, type RawFrame } from "../fake/raw-socket.ts";
import { echoSocket, FRONTS, socketBed, type SocketBed } from "../fake/socket-bed.ts";

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

function closeWith(code: number, reason = ""): RawFrame {
  return { opcode: CLOSE, payload: Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]) };
}

const EURO = Buffer.from("€");

/** What is sent, and every frame that comes back. */
const CASES: readonly (readonly [string, readonly RawFrame[], readonly string[]])[] = [
  ["a length in 7 bits (§5.2)", [{ opcode: TEXT, payload: "x".repeat(125) }], [`1:${"x".repeat(125)}`]],
  ["a length in 16 bits (§5.2)", [{ opcode: BINARY, payload: "x".repeat(126) }], [`2:${"x".repeat(126)}`]],
  ["a length in 64 bits (§5.2)", [{ opcode: TEXT, payload: "x".repeat(65_536) }], [`1:${"x".repeat(65_536)}`]],
  ["an empty message", [{ opcode: TEXT }, { opcode: BINARY }], ["1:", "2:"]],
  [
    "fragments, with a ping between them (§5.4)",
    [
      { opcode: TEXT, payload: "a", isFinal: false },
      { opcode: PING, payload: "p" },
      { opcode: 0, payload: "b", isFinal: false },
      { opcode: 0, payload: "c" },
    ],
    ["10:p", "1:abc"],
  ],
  [
    "a character cut in two by fragments (§5.6)",
    [
      { opcode: TEXT, payload: EURO.subarray(0, 1), isFinal: false },
      { opcode: 0, payload: EURO.subarray(1) },
    ],
    [`1:${EURO.toString("latin1")}`],
  ],
  [
    "pings are answered with their payload, in order (§5.5.2)",
    ["1", "2"].map((payload) => ({ opcode: PING, payload })),
    ["10:1", "10:2"],
  ],
  [
    "a pong that nobody asked for is nothing (§5.5.3)",
    [
      { opcode: PONG, payload: "x" },
      { opcode: TEXT, payload: "y" },
    ],
    ["1:y"],
  ],
  ["a close without a code (§5.5.1)", [{ opcode: CLOSE }], ["close", "gone"]],
  ["a close with code and reason", [closeWith(1_000, "bye")], ["close 1000 bye", "gone"]],
  ["a close with a code of the application's", [closeWith(4_999)], ["close 4999", "gone"]],
  ["what follows a close is not heard", [closeWith(3_000), { opcode: TEXT, payload: "late" }], ["close 3000", "gone"]],
  ["a close with half a code", [{ opcode: CLOSE, payload: "x" }], ["close 1002", "gone"]],
  [
    "a close reason that is not UTF-8",
    [{ opcode: CLOSE, payload: Buffer.from([3, 232, 0xff]) }],
    ["close 1007", "gone"],
  ],
  ...[0, 999, 1_004, 1_005, 1_006, 1_016, 2_999, 5_000].map(
    (code) =>
      [
        `a close with the code ${code}, which may not be sent (§7.4)`,
        [closeWith(code)],
        ["close 1002", "gone"],
      ] as const,
  ),
  [
    "text that is not UTF-8 (§8.1)",
    [{ opcode: TEXT, payload: Buffer.from([0xce, 0xba, 0xed, 0xa0, 0x80]) }],
    ["close 1007", "gone"],
  ],
  [
    "a control frame that is fragmented (§5.5)",
    [{ opcode: PING, payload: "p", isFinal: false }],
    ["close 1002", "gone"],
  ],
  ["a control frame that is too long (§5.5)", [{ opcode: PING, payload: "p".repeat(126) }], ["close 1002", "gone"]],
  ["a frame without a mask (§5.1)", [{ opcode: TEXT, payload: "x", isMasked: false }], ["close 1002", "gone"]],
  [
    "a reserved bit without an extension (§5.2)",
    [{ opcode: TEXT, payload: "x", reservedBits: 4 }],
    ["close 1002", "gone"],
  ],
  ...[3, 7, 11, 15].map(
    (opcode) => [`the opcode ${opcode}, which means nothing`, [{ opcode }], ["close 1002", "gone"]] as const,
  ),
  ["a continuation of nothing (§5.4)", [{ opcode: 0, payload: "x" }], ["close 1002", "gone"]],
  [
    "a new message within a fragmented one (§5.4)",
    [
      { opcode: TEXT, payload: "a", isFinal: false },
      { opcode: TEXT, payload: "b" },
    ],
    ["close 1002", "gone"],
  ],
  ["a gigabyte, announced", [{ opcode: BINARY, claimedLength: 2n ** 30n }], ["close 1009", "gone"]],
  ["a length with the highest bit (§5.2)", [{ opcode: BINARY, claimedLength: 2n ** 63n }], ["close 1009", "gone"]],
  [
    "a message that becomes too long in its fragments",
    [0, 1].map((at) => ({
      opcode: at === 0 ? BINARY : 0,
      payload: Buffer.alloc(MOST_SOCKET_MESSAGE_BYTES - 9),
      isFinal: at === 1,
    })),
    ["close 1009", "gone"],
  ],
];

/** Longer cases are not sent byte by byte. */
const MOST_CUT_BYTES = 500;

async function exchange(bed: SocketBed, pieces: readonly Uint8Array[], expected: readonly string[]): Promise<void> {
  const client = new RawSocket(bed.port);
  assert.match(
    await client.upgrade(),
    /^HTTP\/1.1 101 [^]*\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i,
  );
  for (const piece of pieces) await client.write(piece);
  const received: string[] = [];
  while (received.length < expected.length) received.push(await client.read());
  client.destroy();
  assert.deepEqual(received, expected);
}

for (const [front, createFront] of FRONTS) {
  const bed: SocketBed = await socketBed(createFront, echoSocket);
  after(() => bed.close());
  for (const [what, frames, expected] of CASES) {
    const bytes = Buffer.concat(frames.map(rawFrame));
    test(`${front}: ${what}`, () => exchange(bed, [bytes], expected));
    if (bytes.length > MOST_CUT_BYTES) continue;
    const pieces = Array.from(bytes, (byte) => Buffer.from([byte]));
    test(`${front}, byte by byte: ${what}`, () => exchange(bed, pieces, expected));
  }

  test(`${front}: frames that come with the upgrade, before its answer, are not lost`, async () => {
    const client = new RawSocket(bed.port);
    await client.upgrade(rawFrame({ opcode: TEXT, payload: "early" }));
    assert.equal(await client.read(), "1:early");
    client.destroy();
  });

  test(`${front}: a flood of pings ends with 1008`, async () => {
    const client = new RawSocket(bed.port);
    await client.upgrade();
    await client.write(Buffer.concat(Array.from({ length: 200 }, () => rawFrame({ opcode: PING }))));
    let frame = await client.read();
    while (frame === "10:") frame = await client.read();
    assert.equal(frame, "close 1008 too many pings");
    client.destroy();
  });

  test(`${front}: after all of that the next client is served`, async () => {
    const client = new RawSocket(bed.port);
    await client.upgrade();
    await client.write(rawFrame({ opcode: TEXT, payload: "still here" }));
    assert.equal(await client.read(), "1:still here");
    client.destroy();
  });
}
