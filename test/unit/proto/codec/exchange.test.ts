import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  HandlerError,
  HttpRequestError,
  InvalidRequestError,
  ReplicaRefusedError,
  ServeError,
  type ErrorCode,
} from "../../../../core/error.ts";
import { ERROR_MAP } from "../../../../core/error-map.ts";
import type { RequestId } from "../../../../core/ids.ts";
import { MOST_FRAME_HEAD_BYTES, MOST_MODEL_ID_LENGTH, MOST_TOLD_MODELS } from "../../../../core/limits.ts";
import {
  answerHeadFromWire,
  answerHeadToWire,
  countFromWire,
  errorFromWire,
  errorToWire,
  helloFromWire,
  helloToWire,
  modelsFromWire,
  modelsToWire,
  requestHeadFromWire,
  requestHeadToWire,
  welcomeFromWire,
  welcomeToWire,
  type OutgoingHead,
} from "../../../../proto/codec/exchange.ts";
import { FRAME_VERSION } from "../../../../proto/frame/frame.ts";

const HTTP: OutgoingHead = {
  kind: "http",
  requestId: "r-1" as RequestId,
  depth: 0,
  traceparent: "",
  method: "POST",
  path: "/a?b=%20",
  prefix: "/größe/预测",
  headers: ["content-type", "text/plain; x=\u00e9", "x-empty", ""],
};

test("an HTTP request's head arrives as it was, with what is left of its time in whole milliseconds", () => {
  const { head, length } = requestHeadFromWire(requestHeadToWire(HTTP, 12.2));
  assert.deepEqual([head, length], [{ ...HTTP, timeoutMs: 13 }, undefined]);
});

test("a request that asks for a WebSocket, and the length of a body that streams, arrive as they were", () => {
  const { head, length } = requestHeadFromWire(requestHeadToWire({ ...HTTP, kind: "socket" }, 5, 70_000));
  assert.deepEqual([head, length], [{ ...HTTP, kind: "socket", timeoutMs: 5 }, 70_000]);
});

test("a call's head arrives as it was, whatever its texts hold", () => {
  const text = fc.string({ unit: "grapheme" });
  fc.assert(
    fc.property(text, text, text, fc.integer(), (method, key, modelId, priority) => {
      const head = {
        kind: "call",
        requestId: "r" as RequestId,
        depth: 3,
        traceparent: "t",
        method,
        key,
        modelId,
        priority,
      } as const;
      const wire = requestHeadToWire(head, 5);
      assert.match(wire, /^[\n -~]*$/);
      assert.deepEqual(requestHeadFromWire(wire).head, { ...head, timeoutMs: 5 });
    }),
  );
});

for (const [name, value] of [
  ["CR", "a\rb"],
  ["LF", "a\nb"],
  ["NUL", "a\0b"],
  ["a character beyond latin-1", "a\u0100"],
] as const) {
  test(`a header value with ${name} is refused in an answer, naming the header and not the value`, () => {
    const headers = ["x-good", "1", "x-bad", value];
    assert.throws(
      () => answerHeadToWire({ status: 200, headers, length: undefined, ongoing: 0 }),
      (error) => error instanceof HandlerError && /x-bad/.test(error.message) && !error.message.includes(value),
    );
  });
}

test("heads over the limit are refused", () => {
  const headers = ["x", "y".repeat(70_000)];
  assert.throws(() => requestHeadToWire({ ...HTTP, headers }, 1), HttpRequestError);
  assert.throws(() => answerHeadToWire({ status: 200, headers, length: undefined, ongoing: 0 }), HandlerError);
});

test("text that is no head is refused", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 10 }), (fields) => {
      try {
        requestHeadFromWire(fields.join("\n"));
      } catch (error) {
        assert.ok(error instanceof InvalidRequestError);
      }
      assert.ok(welcomeFromWire(fields.join("\n")) === undefined || fields[0] === FRAME_VERSION);
    }),
  );
});

test("an answer's head arrives with the replica's ongoing requests and the length of what streams", () => {
  for (const length of [undefined, 0, 1_000_000]) {
    const head = { status: 404, headers: ["a", "b", "a", ""], length, ongoing: 7 };
    assert.deepEqual(answerHeadFromWire(answerHeadToWire(head)), head);
  }
});

test("a count is a whole number that is not negative, and nothing else", () => {
  assert.deepEqual(["0", "65536", "", "-1", "1.5", "x"].map(countFromWire), [0, 65_536, ...Array(4).fill(undefined)]);
});

test("every error arrives as its own class, with code, message and details, and without its cause", () => {
  for (const code of Object.keys(ERROR_MAP) as ErrorCode[]) {
    const sent = new ServeError(code, "what ✓", { details: { retryAfterSeconds: 3 }, cause: new Error("secret") });
    const { head, body } = errorToWire(sent, 2);
    const wire = Buffer.concat(body);
    assert.ok(!wire.includes("secret"));
    const { error, ongoing } = errorFromWire(head, wire);
    assert.deepEqual(
      [error.code, error.message, error.details, ongoing],
      [code, "what ✓", { retryAfterSeconds: 3 }, 2],
    );
  }
  const refusal = errorToWire(new ReplicaRefusedError("replica_draining", "x"), 0);
  assert.ok(errorFromWire(refusal.head, Buffer.concat(refusal.body)).error instanceof ReplicaRefusedError);
});

test("an error of another replica's code has the stack of where it was thrown", () => {
  const stack = "RangeError: too far\n    at Main.find (app.ts:3:7)";
  const sent = new ServeError("handler_failed", "too far", { details: { remote: { name: "RangeError", stack } } });
  const { head, body } = errorToWire(sent, 0);
  assert.equal(errorFromWire(head, Buffer.concat(body)).error.stack, `HandlerError: ${stack}`);
});

test("details that JSON cannot hold are left behind, and the error arrives", () => {
  const details: Record<string, unknown> = { count: 1n };
  details["self"] = details;
  const { head, body } = errorToWire(new InvalidRequestError("x", { details }), 0);
  const { error } = errorFromWire(head, Buffer.concat(body));
  assert.deepEqual([error.code, error.message, error.details], ["invalid_request", "x", {}]);
});

test("an error that cannot be read is an internal one", () => {
  for (const [head, body] of [
    ["handler_failed\n1", "{"],
    ["nonsense\n1", '{"message":"a","details":{}}'],
    ["", "3"],
  ] as const) {
    assert.equal(errorFromWire(head, Buffer.from(body)).error.code, "internal");
  }
});

test("hello and welcome arrive, and those of another version do not", () => {
  const hello = { replicaId: "a/b#1", callSecret: "s%", linkId: "l", part: "bulk" } as const;
  assert.deepEqual(helloFromWire(helloToWire(hello)), hello);
  for (const text of ["1\na\nb\nc\nmain", "3\n%\nb\nc\nmain", "3\na\nb\nc\nside", "3\na\nb\nc"]) {
    assert.equal(helloFromWire(text), undefined);
  }
  assert.deepEqual(welcomeFromWire(welcomeToWire(4)), { ongoing: 4 });
  assert.equal(welcomeFromWire("9\n4"), undefined);
});

test("ids of models arrive as they were, as many as may be told", () => {
  const ids = ["team/digits:v2", "größe", "a%b", "two\nlines"];
  assert.deepEqual(modelsFromWire(modelsToWire(ids)), ids);
  assert.deepEqual(modelsFromWire(modelsToWire([])), []);
  const many = Array.from({ length: MOST_TOLD_MODELS + 1 }, (_, at) => `${at}`.padEnd(MOST_MODEL_ID_LENGTH, "x"));
  const head = modelsToWire(many);
  assert.deepEqual(modelsFromWire(head), many.slice(0, MOST_TOLD_MODELS));
  assert.ok(head.length <= MOST_FRAME_HEAD_BYTES);
  for (const bad of [many.join("\n"), "a\n%"]) assert.equal(modelsFromWire(bad), undefined);
});
