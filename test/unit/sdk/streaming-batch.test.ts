import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../core/cancellation.ts";
import { CancelledError, HandlerError, QueueFullError } from "../../../core/error.ts";
import { MOST_STREAM_WAITING_ITEMS } from "../../../core/limits.ts";
import type { RequestContext } from "../../../core/request-context.ts";
import { runInScope, type RequestScope } from "../../../core/request-scope.ts";
import { streamEnd, streamingBatch } from "../../../sdk/streaming-batch.ts";

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of stream) values.push(value);
  return values;
}

function requestOf(cancellation: Cancellation): RequestScope {
  const context = { requestId: "r-1", deadlineAt: Number.POSITIVE_INFINITY, modelId: "" } as RequestContext;
  return { context, cancellation, priority: 0, depth: 0, traceparent: "" };
}

/** Counts down from each start; notes who listened at each step. */
function countdown(notes: (readonly boolean[])[] = []) {
  const ends = { returned: 0 };
  const count = streamingBatch({ maxBatchSize: 8 }, async function* (starts: number[]) {
    try {
      for (let step = 0; step <= Math.max(...starts); step++) {
        const listening = yield starts.map((start) => (step <= start ? start - step : streamEnd));
        if (listening !== undefined) notes.push(listening);
      }
    } finally {
      ends.returned += 1;
    }
  });
  return { count, ends };
}

test("callers of one batch each get their own items, and end when theirs have", async () => {
  const { count, ends } = countdown();
  const streams = [3, 0, 1].map((start) => count(start));
  assert.deepEqual(await Promise.all(streams.map(all)), [[3, 2, 1, 0], [0], [1, 0]]);
  assert.equal(ends.returned, 1, "one batch");
});

test("a caller that leaves early is no longer listened for, and the others go on", async () => {
  const notes: (readonly boolean[])[] = [];
  const { count } = countdown(notes);
  const leaving = count(5);
  const staying = all(count(5));
  assert.deepEqual(await leaving.next(), { done: false, value: 5 });
  await leaving.return();
  assert.deepEqual(await staying, [5, 4, 3, 2, 1, 0]);
  assert.deepEqual(notes.at(-1), [true, false]);
});

test("when nobody listens any more the handler is told to return", async () => {
  const { count, ends } = countdown();
  const stream = count(1_000);
  await stream.next();
  await stream.return();
  while (ends.returned === 0) await new Promise(setImmediate);
});

test("a caller that leaves before its batch was run is never part of one", async () => {
  const seen: number[][] = [];
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const echo = streamingBatch({ maxBatchSize: 1 }, async function* (items: number[]) {
    seen.push([...items]);
    yield items;
    await held;
  });
  const first = echo(1);
  await first.next();
  const cancellation = new Cancellation();
  const second = runInScope({ kind: "request", request: requestOf(cancellation) }, () => echo(2));
  const left = assert.rejects(second.next(), /the client is gone/);
  const last = all(echo(3));
  await new Promise(setImmediate);
  cancellation.cancel(new CancelledError("the client is gone"));
  await left;
  release();
  assert.deepEqual(await all(first), []);
  assert.deepEqual(await last, [3]);
  assert.deepEqual(seen, [[1], [3]]);
});

test("a request that is cancelled ends its stream with the reason", async () => {
  const cancellation = new Cancellation();
  const request = requestOf(cancellation);
  const { count } = countdown();
  const stream = runInScope({ kind: "request", request }, () => count(1_000_000));
  assert.equal((await stream.next()).value, 1_000_000);
  cancellation.cancel(new CancelledError("the client is gone"));
  await assert.rejects(async () => {
    for (;;) if ((await stream.next()).done === true) return;
  }, /the client is gone/);
});

test("an Error among the values ends that caller's stream alone", async () => {
  const roots = streamingBatch({ maxBatchSize: 8 }, async function* (items: number[]) {
    yield items.map((item) => (item < 0 ? new RangeError("negative") : Math.sqrt(item)));
    yield items.map((item) => (item < 0 ? 1 : item));
  });
  const bad = assert.rejects(all(roots(-1)), RangeError);
  assert.deepEqual(await all(roots(9)), [3, 9]);
  await bad;
});

test("a handler that throws, or yields a wrong number, fails every stream of the batch after what it gave", async () => {
  const thrown = streamingBatch({ maxBatchSize: 8 }, async function* (items: number[]) {
    yield items;
    throw new Error("out of memory");
  });
  const stream = thrown(1);
  assert.equal((await stream.next()).value, 1);
  await assert.rejects(stream.next(), /out of memory/);
  let hasReturned = false;
  const short = streamingBatch({ maxBatchSize: 8 }, async function* (items: number[]) {
    try {
      yield items.slice(1);
    } finally {
      hasReturned = true;
    }
  });
  await assert.rejects(short(1).next(), (error) => {
    assert.ok(error instanceof HandlerError);
    assert.match(error.message, /was given 1 items and yielded an array of 0/);
    return true;
  });
  assert.equal(hasReturned, true);
});

test("a handler that is no generator fails with an error that says what it must be", async () => {
  const plain = ((items: number[]) => items) as unknown as Parameters<typeof streamingBatch<number, number>>[1];
  await assert.rejects(streamingBatch({ maxBatchSize: 2 }, plain)(1).next(), /must be an async generator/);
});

test("a caller that does not read fails alone, after what was kept for it", async () => {
  const { count } = countdown();
  const slow = count(3 * MOST_STREAM_WAITING_ITEMS);
  const first = slow.next();
  const quick = await all(count(3 * MOST_STREAM_WAITING_ITEMS));
  assert.equal(quick.length, 3 * MOST_STREAM_WAITING_ITEMS + 1);
  await first;
  let kept = 1;
  await assert.rejects(async () => {
    while ((await slow.next()).done !== true) kept += 1;
  }, QueueFullError);
  assert.equal(kept, MOST_STREAM_WAITING_ITEMS + 1);
});
