import assert from "node:assert/strict";
import { test } from "node:test";
import { CancelledError, type ServeError } from "../../../core/error.ts";
import { RECORD, recordToWire } from "../../../proto/codec/record.ts";
import { LAST_RECORD, RecordStream, writeRecord } from "../../../proto/record-stream.ts";
import { BodyGiver, BodyTaker } from "../../fake/body-bed.ts";

const record = (text: string): Buffer => Buffer.concat(recordToWire(RECORD.TEXT, [Buffer.from(text)]));

function bed(options: { isLossAnEnd?: boolean } = {}) {
  const giver = new BodyGiver();
  const records = new RecordStream<string>(giver.body, {
    mostBytes: 1_000,
    decode: (kind, payload) => (kind === RECORD.CLOSE ? LAST_RECORD : Buffer.from(payload).toString()),
    ...options,
  });
  return { giver, records };
}

test("records come one at a time, wherever the pieces were cut, before and after they are asked for", async () => {
  const { giver, records } = bed();
  const early = records.next();
  for (const byte of record("one")) giver.body.write(Uint8Array.of(byte));
  giver.body.write(Buffer.concat([record("two"), record("")]));
  giver.body.end();
  assert.deepEqual(await early, { done: false, value: "one" });
  const rest: string[] = [];
  for await (const text of records) rest.push(text);
  assert.deepEqual(rest, ["two", ""]);
  assert.deepEqual(await records.next(), { done: true, value: undefined });
  assert.ok(giver.body.isSettled);
});

test("bytes are used up when their record is taken, and those of one that has only begun as they come", async () => {
  const { giver, records } = bed();
  const [first, second] = [record("first"), record("second")];
  giver.body.write(Buffer.concat([first, second, record("third").subarray(0, 7)]));
  assert.equal(giver.consumedBytes, 0);
  await records.next();
  assert.equal(giver.consumedBytes, first.length);
  await records.next();
  assert.equal(giver.consumedBytes, first.length + second.length + 7);
  giver.body.write(record("third").subarray(7));
  assert.equal(giver.consumedBytes, first.length + second.length + 7, "it waits to be taken");
  await records.next();
  assert.equal(giver.consumedBytes, first.length + second.length + record("third").length);
});

test("giving up the loop cancels the body", async () => {
  const { giver, records } = bed();
  giver.body.write(Buffer.concat([record("a"), record("b")]));
  for await (const text of records) if (text === "a") break;
  assert.equal(giver.cancelled?.code, "cancelled");
  assert.equal((await records.next()).done, true);
});

test("a stream that breaks off throws once what came before is taken, or ends where that is wanted", async () => {
  const gone = new CancelledError("gone");
  const { giver, records } = bed();
  giver.body.write(record("a"));
  giver.body.fail(gone);
  assert.equal((await records.next()).value, "a");
  await assert.rejects(records.next(), gone);
  assert.equal((await records.next()).done, true);
  const waiting = bed();
  const pending = waiting.records.next();
  waiting.giver.body.fail(gone);
  await assert.rejects(pending, gone);
  const lenient = bed({ isLossAnEnd: true });
  lenient.giver.body.fail(gone);
  assert.equal((await lenient.records.next()).done, true);
});

test("what cannot be records, is too long, ends within one, or cannot be decoded fails the loop", async () => {
  const wrong: readonly [Buffer, RegExp][] = [
    [Buffer.from([99, 0, 0, 0, 0]), /unknown kind 99/],
    [Buffer.from([RECORD.TEXT, 0, 1, 0, 0]), /65536 bytes; at most 1000/],
  ];
  for (const [bytes, message] of wrong) {
    const { giver, records } = bed();
    giver.body.write(bytes);
    assert.ok(giver.cancelled !== undefined);
    await assert.rejects(records.next(), message);
  }
  const cut = bed();
  cut.giver.body.write(record("abc").subarray(0, 6));
  cut.giver.body.end();
  await assert.rejects(cut.records.next(), (error: ServeError) => error.code === "internal");
  const giver = new BodyGiver();
  const failing = new RecordStream<string>(giver.body, {
    mostBytes: 10,
    decode: () => {
      throw new TypeError("no");
    },
  });
  giver.body.write(record("a"));
  await assert.rejects(failing.next(), TypeError);
});

test("the decoder may end the loop; what follows is dropped", async () => {
  const { giver, records } = bed();
  giver.body.write(Buffer.concat([record("a"), ...recordToWire(RECORD.CLOSE, []), record("b")]));
  const got: string[] = [];
  for await (const text of records) got.push(text);
  assert.deepEqual(got, ["a"]);
});

test("a written record is one piece when it is short, and is not copied when it is long", () => {
  const giver = new BodyGiver();
  const taker = new BodyTaker(giver.body);
  assert.equal(writeRecord(giver.body, RECORD.TEXT, [Buffer.from("ab")]), 7);
  const long = Buffer.alloc(10_000);
  writeRecord(giver.body, RECORD.BINARY, [long]);
  assert.deepEqual(
    taker.parts.map(({ byteLength }) => byteLength),
    [7, 5, 10_000],
  );
  assert.equal(taker.parts[2], long);
});
