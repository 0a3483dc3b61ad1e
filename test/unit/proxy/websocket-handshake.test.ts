import assert from "node:assert/strict";
import { test } from "node:test";
import { HandlerError, InvalidRequestError } from "../../../core/error.ts";
import { chooseProtocol, readHandshake } from "../../../proxy/websocket-handshake.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const GOOD = ["Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", KEY];

test("a handshake has a key, and the subprotocols of all its headers in order", () => {
  const headers = [...GOOD, "Sec-WebSocket-Protocol", "b, a", "sec-websocket-protocol", "c"];
  assert.deepEqual(readHandshake(headers), { key: KEY, protocols: ["b", "a", "c"] });
});

for (const [what, headers] of [
  ["no version", ["Sec-WebSocket-Key", KEY]],
  ["another version", ["Sec-WebSocket-Version", "8", "Sec-WebSocket-Key", KEY]],
  ["no key", ["Sec-WebSocket-Version", "13"]],
  ["a key that is too short", ["Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "abc="]],
  ["two keys", [...GOOD, "sec-websocket-key", KEY]],
  ["an empty subprotocol", [...GOOD, "sec-websocket-protocol", "a,,b"]],
  ["a subprotocol twice", [...GOOD, "sec-websocket-protocol", "a, a"]],
  ["a subprotocol that is no token", [...GOOD, "sec-websocket-protocol", "a b"]],
] as const) {
  test(`an upgrade with ${what} is refused`, () => assert.throws(() => readHandshake(headers), InvalidRequestError));
}

test("the application chooses a subprotocol among those offered, else the first is taken", () => {
  const handshake = { key: KEY, protocols: ["a", "b"] };
  assert.equal(chooseProtocol(handshake, ["Sec-WebSocket-Protocol", "b"]), "b");
  assert.equal(chooseProtocol(handshake, []), "a");
  assert.equal(chooseProtocol({ key: KEY, protocols: [] }, []), undefined);
  assert.throws(() => chooseProtocol(handshake, ["sec-websocket-protocol", "c"]), HandlerError);
});
