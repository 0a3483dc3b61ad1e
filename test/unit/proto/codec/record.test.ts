import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RECORD, RecordReader, recordToWire, type RecordKind } from "../../../../proto/codec/record.ts";

test("records arrive whole and in order, however the stream is cut", () => {
  const record = fc.tuple(fc.constantFrom(...Object.values(RECORD)), fc.uint8Array({ maxLength: 50 }));
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), fc.array(fc.nat(300), { maxLength: 10 }), (records, cuts) => {
      const wire = Buffer.concat(records.flatMap(([kind, payload]) => recordToWire(kind, [payload])));
      const got: [RecordKind, Uint8Array][] = [];
      let wireBytes = 0;
      const reader = new RecordReader(50, (kind, payload, bytes) => {
        got.push([kind, Uint8Array.from(payload)]);
        wireBytes += bytes;
      });
      let from = 0;
      for (const to of [...cuts.map((cut) => cut % (wire.length + 1)).toSorted((a, b) => a - b), wire.length]) {
        assert.equal(reader.push(wire.subarray(from, Math.max(from, to))), undefined);
        from = Math.max(from, to);
      }
      assert.deepEqual(got, records);
      assert.deepEqual([wireBytes, reader.isWithin], [wire.length, false]);
    }),
  );
});

test("a record that is too long, or of no known kind, is refused before anything is kept of it", () => {
  const reader = new RecordReader(10, () => assert.fail());
  assert.match(reader.push(Uint8Array.of(RECORD.TEXT, 0, 0, 0, 11)) ?? "", /has 11 bytes; at most 10/);
  assert.match(new RecordReader(10, () => assert.fail()).push(Uint8Array.of(9, 0, 0, 0, 1)) ?? "", /kind 9/);
});

test("a stream that ends within a record can be told from one that ends between two", () => {
  const reader = new RecordReader(10, () => {});
  reader.push(Uint8Array.of(RECORD.TEXT, 0, 0));
  assert.equal(reader.isWithin, true);
});
