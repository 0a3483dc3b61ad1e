import assert from "node:assert/strict";
import { test } from "node:test";
import { createLineReader } from "../../../../proto/control/lines.ts";

test("lines come out whole however the bytes are cut, also inside a character", () => {
  const text = "first\n\nzweite – Zeile\nlast\nrest";
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const lines: string[] = [];
    const reader = createLineReader(100, (line) => lines.push(line));
    for (let from = 0; from < bytes.length; from += size) assert.ok(reader.push(bytes.subarray(from, from + size)));
    assert.deepEqual(lines, ["first", "zweite – Zeile", "last"]);
  }
});

test("a line of the limit passes and a longer one ends the reading, with or without its end", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const lines: string[] = [];
  const reader = createLineReader(4, (line) => lines.push(line));
  assert.equal(reader.push(bytes("1234\n")), true);
  assert.equal(reader.push(bytes("12345\n")), false);
  assert.equal(createLineReader(4, () => {}).push(bytes("12345")), false);
  assert.deepEqual(lines, ["1234"]);
});
