import assert from "node:assert/strict";
import { test } from "node:test";
import { CancelledError, HandlerError } from "../../../core/error.ts";
import { BodyStream } from "../../../proto/body.ts";

function bed(): { body: BodyStream; heard: string[]; take: (consume?: boolean) => void } {
  const heard: string[] = [];
  const body = new BodyStream({
    onReceive: () => heard.push("receive"),
    onConsumed: (bytes) => heard.push(`consumed ${bytes}`),
    onCancel: (error) => heard.push(`cancel ${error.code}`),
  });
  const take = (isConsuming = true): void =>
    body.receive({
      onData(bytes) {
        heard.push(Buffer.from(bytes).toString());
        if (isConsuming) body.consumed(bytes.byteLength);
      },
      onEnd: () => heard.push("end"),
      onError: (error) => heard.push(`error ${error.code}`),
    });
  body.onSettled((error) => heard.push(`settled ${error?.code ?? "well"}`));
  return { body, heard, take };
}

test("what came before somebody took a body comes first, in order, and then the rest", () => {
  const { body, heard, take } = bed();
  body.write(Buffer.from("a"));
  body.write(Buffer.from("b"));
  take();
  body.write(Buffer.from("c"));
  body.end();
  assert.deepEqual(heard, [
    ...["a", "consumed 1", "b", "consumed 1", "receive", "c", "consumed 1", "end", "settled well"],
  ]);
});

test("a body that has ended is settled only when all of it is used up", () => {
  const { body, heard, take } = bed();
  body.write(Buffer.from("abc"));
  body.end();
  assert.equal(body.isSettled, false);
  take(false);
  assert.deepEqual(heard, ["abc", "end"]);
  body.consumed(3);
  assert.deepEqual(heard.slice(2), ["settled well"]);
});

test("what is written while earlier bytes are handed over does not overtake them", () => {
  const heard: string[] = [];
  const body: BodyStream = new BodyStream({ onConsumed: () => body.write(Buffer.from("late")), onCancel: () => {} });
  body.write(Buffer.from("a"));
  body.write(Buffer.from("b"));
  body.receive({
    onData(bytes) {
      const text = Buffer.from(bytes).toString();
      heard.push(text);
      if (text !== "late") body.consumed(bytes.byteLength);
    },
    onEnd: () => heard.push("end"),
    onError: () => heard.push("error"),
  });
  assert.deepEqual(heard, ["a", "b", "late", "late"]);
});

test("a failure is heard by the receiver alone, a cancellation by the producer alone, an abort by both; each once", () => {
  const [failed, cancelled, aborted] = [bed(), bed(), bed()];
  for (const { take } of [failed, cancelled, aborted]) take();
  failed.body.fail(new HandlerError("x"));
  failed.body.cancel(new CancelledError("y"));
  cancelled.body.cancel(new CancelledError("y"));
  cancelled.body.write(Buffer.from("z"));
  aborted.body.abort(new CancelledError("y"));
  aborted.body.fail(new HandlerError("x"));
  assert.deepEqual(failed.heard, ["receive", "settled handler_failed", "error handler_failed"]);
  assert.deepEqual(cancelled.heard, ["receive", "settled cancelled", "cancel cancelled"]);
  assert.deepEqual(aborted.heard, ["receive", "settled cancelled", "cancel cancelled", "error cancelled"]);
});

test("an ended body whose rest nobody has used up can still be broken off", () => {
  const { body, heard, take } = bed();
  take(false);
  body.write(Buffer.from("abc"));
  body.end();
  body.abort(new CancelledError("y"));
  assert.deepEqual(heard, ["receive", "abc", "end", "settled cancelled", "error cancelled"]);
});

test("bytes that are lent are held until somebody takes the body, and its receiver says what becomes of them", () => {
  const body = new BodyStream({ onConsumed() {}, onCancel() {} });
  const freed: string[] = [];
  const lend = (text: string): string => body.lend(Buffer.from(text), () => freed.push(text));
  assert.deepEqual([lend("a"), lend("b"), body.lend(Buffer.from("c"))], ["held", "held", "kept"]);
  const outcomes = ["free", "kept", "held"] as const;
  let count = 0;
  const taken: string[] = [];
  body.receive({
    onData: (bytes) => taken.push(`own ${Buffer.from(bytes).toString()}`),
    onLentData(bytes) {
      taken.push(`lent ${Buffer.from(bytes).toString()}`);
      return outcomes[count++] ?? "free";
    },
    onEnd() {},
    onError() {},
  });
  assert.deepEqual(taken, ["lent a", "lent b", "own c"]);
  assert.deepEqual(freed, ["a"]);
  assert.equal(lend("d"), "held");
  body.cancel(new CancelledError("enough"));
  assert.equal(lend("e"), "free");
});

test("a receiver that knows nothing of lending keeps what is lent", () => {
  const { body, heard, take } = bed();
  take();
  assert.equal(body.lend(Buffer.from("a"), assert.fail), "kept");
  assert.deepEqual(heard, ["receive", "a", "consumed 1"]);
});
