import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FRAME, FrameReader, writePrefix, type Frame } from "../../../../proto/frame/frame.ts";

const BOUNDS = { mostHeadBytes: 65_535, mostBodyBytes: 1_000_000 };

function bytesOf({ kind, stream, head, body, hasMore }: Frame): Buffer {
  const prefix = Buffer.alloc(12);
  writePrefix(prefix, 0, { kind, stream, headBytes: head.length, bodyBytes: body.length, hasMore });
  return Buffer.concat([prefix, Buffer.from(head, "latin1"), body]);
}

function read(bytes: Buffer, cuts: readonly number[]): { frames: Frame[]; failure: string | undefined } {
  const frames: Frame[] = [];
  let open: Frame | undefined;
  const reader = new FrameReader(BOUNDS, (frame) => {
    const body = Uint8Array.from(frame.body);
    // DATA comes in pieces, all but the last of which have MORE.
    if (open !== undefined) open = { ...frame, body: Buffer.concat([open.body, body]) };
    else open = { ...frame, body };
    if (frame.kind === FRAME.DATA && frame.head === "" && frame.hasMore) return;
    frames.push({ ...open, body: Uint8Array.from(open.body) });
    open = undefined;
  });
  let failure: string | undefined;
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    failure = reader.push(Buffer.from(bytes.subarray(from, to)));
    from = to;
  }
  return { frames, failure };
}

const anyFrame: fc.Arbitrary<Frame> = fc
  .record(
    {
      kind: fc.constantFrom(...Object.values(FRAME)),
      stream: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      head: fc.string({ maxLength: 60 }).map((text) => Buffer.from(text).toString("latin1")),
      body: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 0, max: 70_000 }).map((size) => new Uint8Array(size).fill(7)),
      ),
      hasMore: fc.boolean(),
    },
    { noNullPrototype: true },
  )
  .map((frame) => (frame.kind === FRAME.DATA ? { ...frame, head: "", hasMore: false } : frame));

test("frames arrive whole and in order, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.array(fc.nat(200_000), { maxLength: 12 }), (frames, cuts) => {
      const result = read(Buffer.concat(frames.map(bytesOf)), cuts);
      assert.equal(result.failure, undefined);
      assert.deepEqual(result.frames, frames);
    }),
    { numRuns: 300 },
  );
});

test("frames arrive whole byte by byte", () => {
  const frames: Frame[] = [
    { kind: FRAME.REQUEST, stream: 1, head: "ab", body: Uint8Array.of(1, 2, 3), hasMore: true },
    { kind: FRAME.CANCEL, stream: 1, head: "", body: new Uint8Array(0), hasMore: false },
  ];
  const bytes = Buffer.concat(frames.map(bytesOf));
  assert.deepEqual(read(bytes, Array.from(bytes.keys())).frames, frames);
});

test("garbage never throws: it ends with a reason, or waits for more", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200), { maxLength: 5 }), (bytes, cuts) => {
      const { failure } = read(Buffer.from(bytes), cuts);
      assert.ok(failure === undefined || failure.startsWith("a frame"));
    }),
    { numRuns: 1_000 },
  );
});

test("a length over the bound is refused before anything is allocated for it", () => {
  const prefix = Buffer.alloc(12);
  writePrefix(prefix, 0, { kind: FRAME.REQUEST, stream: 1, headBytes: 0, bodyBytes: 1_000_001, hasMore: false });
  assert.match(read(prefix, []).failure ?? "", /body has 1000001 bytes/);
  writePrefix(prefix, 0, { kind: FRAME.REQUEST, stream: 1, headBytes: 5, bodyBytes: 0, hasMore: false });
  prefix.writeUInt32BE(8, 0);
  assert.match(read(prefix, []).failure ?? "", /shorter than its own head/);
});

test("a large body has memory of its own, from its first byte on", () => {
  const frame: Frame = {
    kind: FRAME.ANSWER,
    stream: 1,
    head: "h",
    body: new Uint8Array(100_000).fill(3),
    hasMore: false,
  };
  const bytes = bytesOf(frame);
  let body: Uint8Array | undefined;
  const reader = new FrameReader(BOUNDS, (received) => (body = received.body));
  reader.push(bytes.subarray(0, 50_000));
  reader.push(bytes.subarray(50_000));
  assert.deepEqual([body?.byteOffset, body?.buffer.byteLength, body?.byteLength], [0, 100_000, 100_000]);
});

test("DATA is handed on in the pieces it comes in, and only its last piece is the last", () => {
  const frame: Frame = { kind: FRAME.DATA, stream: 3, head: "", body: new Uint8Array(1_000), hasMore: false };
  const bytes = bytesOf(frame);
  const pieces: [number, boolean][] = [];
  const reader = new FrameReader(BOUNDS, ({ body, hasMore }) => pieces.push([body.byteLength, hasMore]));
  for (const [from, to] of [
    [0, 12],
    [12, 412],
    [412, 1_012],
  ] as const) {
    reader.push(bytes.subarray(from, to));
  }
  assert.deepEqual(pieces, [
    [400, true],
    [600, false],
  ]);
});

test("of a chunk that is only lent, everything but pieces of DATA outlasts it", () => {
  const sent = [FRAME.REQUEST, FRAME.DATA, FRAME.ANSWER].map((kind, at) => {
    return {
      kind,
      stream: at,
      head: kind === FRAME.DATA ? "" : "head",
      body: Buffer.alloc(5_000, 65 + at),
      hasMore: false,
    };
  });
  const bytes = Buffer.concat(sent.map(bytesOf));
  for (const cut of [3, 6_000, bytes.length - 5_010, bytes.length]) {
    const texts: string[] = [];
    const later: Frame[] = [];
    const reader = new FrameReader(BOUNDS, (frame) => {
      if (frame.kind === FRAME.DATA) texts.push(Buffer.from(frame.body).toString());
      else later.push(frame);
    });
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      const lent = Buffer.from(part);
      assert.equal(reader.push(lent, true), undefined);
      lent.fill("x");
    }
    assert.equal(texts.join(""), "B".repeat(5_000));
    assert.deepEqual(
      later.map(({ head, body }) => head + Buffer.from(body).toString()),
      [`head${"A".repeat(5_000)}`, `head${"C".repeat(5_000)}`],
    );
  }
});
