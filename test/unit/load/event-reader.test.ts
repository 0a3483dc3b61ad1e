import assert from "node:assert/strict";
import { test } from "node:test";
import { EventReader, type ServerEvent } from "../../../load/event-reader.ts";

const STREAM = 'data: {"a":"ä"}\n\n: still here\n\nevent: error\ndata: first\ndata: second\n\ndata:[DONE]\n\n';

test("events are the same however their bytes are cut, and comments are none", () => {
  for (const pieceBytes of [1, 2, 5, 1_000]) {
    const events: ServerEvent[] = [];
    const reader = new EventReader((event) => events.push(event));
    const bytes = Buffer.from(STREAM);
    for (let at = 0; at < bytes.length; at += pieceBytes) assert.ok(reader.push(bytes.subarray(at, at + pieceBytes)));
    assert.deepEqual(events, [
      { name: "message", data: '{"a":"ä"}' },
      { name: "error", data: "first\nsecond" },
      { name: "message", data: "[DONE]" },
    ]);
  }
});

test("an event without an end is not kept for ever", () => {
  const reader = new EventReader(() => undefined);
  assert.equal(reader.push(Buffer.alloc(2 * 1024 * 1024, "x")), false);
});
