import assert from "node:assert/strict";
import { test } from "node:test";
import { remoteCall } from "../../../sdk/remote-call.ts";

async function* numbers(onEnd: () => void = () => {}): AsyncGenerator<number> {
  try {
    yield* [1, 2, 3];
  } finally {
    onEnd();
  }
}

test("a call is the promise it was: awaited, passed on, with the methods of any promise", async () => {
  const call = remoteCall(Promise.resolve(5));
  assert.ok(call instanceof Promise);
  assert.deepEqual([await call, await Promise.all([call, 6]), await call.then((value) => value)], [5, [5, 6], 5]);
  await assert.rejects(remoteCall(Promise.reject(new RangeError("no"))), RangeError);
});

test("a call that yields is iterated, at once or awaited first", async () => {
  const got: unknown[] = [];
  for await (const item of remoteCall(Promise.resolve(numbers()))) got.push(item);
  for await (const item of (await remoteCall(Promise.resolve(numbers()))) as AsyncIterable<unknown>) got.push(item);
  assert.deepEqual(got, [1, 2, 3, 1, 2, 3]);
});

test("leaving the loop early ends what yields", async () => {
  let isEnded = false;
  const call = remoteCall(Promise.resolve(numbers(() => (isEnded = true))));
  for await (const item of call) if (item === 2) break;
  assert.ok(isEnded);
  const untouched = remoteCall(Promise.resolve(numbers()))[Symbol.asyncIterator]();
  assert.equal((await untouched.return?.())?.done, true);
});

test("iterating a call that fails throws its error, and one with a single value says to await it", async () => {
  const iterate = async (call: AsyncIterable<unknown>): Promise<void> => {
    for await (const item of call) assert.fail(String(item));
  };
  await assert.rejects(iterate(remoteCall(Promise.reject(new RangeError("no")))), RangeError);
  await assert.rejects(
    iterate(remoteCall(Promise.resolve([1]))),
    /answered with one value, not item by item: await it/,
  );
});
