import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { Cancellation } from "../../../../core/cancellation.ts";
import { CancelledError, type ServeError } from "../../../../core/error.ts";
import type { RequestId } from "../../../../core/ids.ts";
import { STREAM_WINDOW_BYTES } from "../../../../core/limits.ts";
import { decodeValue, encodeValue } from "../../../../proto/codec/value.ts";
import type { Answer, RequestHead } from "../../../../proto/exchange.ts";
import { RecordStream } from "../../../../proto/record-stream.ts";
import { requestContext } from "../../../../sdk/context.ts";
import { Invoker } from "../../../../worker/replica/invoke.ts";
import { requestScope } from "../../../../worker/replica/request.ts";
import type { Schema } from "../../../../worker/replica/schema.ts";
import { BodyGiver, BodyTaker } from "../../../fake/body-bed.ts";
import { ManualClock, settle } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const identity = {
  application: "app",
  deployment: "Main",
  deploymentId: "app/Main",
  replica: "r",
  version: "v",
  node: "n",
};
const common = { requestId: "r-1" as RequestId, timeoutMs: 1_000, depth: 0, traceparent: "" };
const POST: RequestHead = { kind: "http", method: "POST", path: "/", prefix: "/", headers: ["host", "h"], ...common };
const callOf = (method: string): RequestHead => ({
  kind: "call",
  method,
  key: "",
  modelId: "",
  priority: 0,
  ...common,
});

function bed(instance: object, schemas: { output?: unknown } = {}) {
  const [clock, log, cancellation] = [new ManualClock(), new RecordingLog(), new Cancellation()];
  const output = schemas.output as Schema | undefined;
  const invoker = new Invoker({ clock, log, identity, instance, input: undefined, output });
  const send = (head: RequestHead, body = [Buffer.from("1")] as readonly Uint8Array[]): Promise<Answer> =>
    invoker.answer(head, body, requestScope(head, identity, 1_000, cancellation));
  return { clock, log, cancellation, send };
}

test("what predict yields goes out as server-sent events, and a mark after the last", async () => {
  const { send } = bed({
    async *predict() {
      yield { token: "a\nb" };
      yield Float32Array.of(0.5);
      yield requestContext().requestId;
    },
  });
  const { status, headers, body } = await send(POST);
  assert.equal(status, 200);
  assert.deepEqual(headers, [
    ...["content-type", "text/event-stream", "cache-control", "no-cache", "x-accel-buffering", "no"],
  ]);
  const events = ['data: {"token":"a\\nb"}', "data: [0.5]", 'data: "r-1"', "data: [DONE]", ""].join("\n\n");
  assert.equal(await new BodyTaker(body).all(), events);
});

test("a generator that is not async streams too, and a list does not", async () => {
  const { send } = bed({
    *predict() {
      yield* [1, 2];
    },
    list: () => [1, 2],
  });
  assert.equal(await new BodyTaker((await send(POST)).body).all(), "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n");
  const { body } = await send(callOf("list"), encodeValue([]));
  assert.deepEqual(decodeValue(Buffer.concat(body as Uint8Array[])), [1, 2]);
});

test("a failure before the first item is an ordinary error, one after it breaks the stream off", async () => {
  const { log, send } = bed({
    async *predict(input: number) {
      if (input === 1) throw Object.assign(new Error("no such model"), { status: 404 });
      yield 1;
      throw new RangeError("password is hunter2");
    },
  });
  await assert.rejects(send(POST), (error: ServeError) => error.details.status === 404);
  assert.equal(log.lines.length, 1, "it is told once");
  const taker = new BodyTaker((await send(POST, [Buffer.from("2")])).body);
  await assert.rejects(taker.all(), (error: ServeError) => {
    assert.equal(error.code, "handler_failed");
    assert.doesNotMatch(error.message, /hunter2/);
    return true;
  });
  assert.equal(taker.text, "data: 1\n\n");
  assert.match(String(log.lines.at(-1)?.fields.err), /hunter2/);
});

test("an output schema is that of each item", async () => {
  const { send } = bed(
    {
      *predict() {
        yield { label: "3" };
        yield { label: "x" };
      },
    },
    { output: z.object({ label: z.coerce.number() }) },
  );
  const taker = new BodyTaker((await send(POST)).body);
  await assert.rejects(taker.all(), (error: ServeError) => error.code === "handler_failed");
  assert.equal(taker.text, 'data: {"label":3}\n\n');
});

test("a comment goes out after 15 s without an item, also before the first", async () => {
  const gates = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
  const { clock, send } = bed({
    async *predict() {
      for (const gate of gates) yield await gate.promise;
    },
  });
  const answering = send(POST);
  await settle();
  clock.advance(15_000);
  const taker = new BodyTaker((await answering).body);
  assert.equal(taker.text, ": \n\n");
  taker.consume();
  gates[0]?.resolve(1);
  await settle();
  taker.consume();
  clock.advance(14_999);
  assert.equal(taker.text, ": \n\ndata: 1\n\n");
  clock.advance(1);
  assert.equal(taker.text, ": \n\ndata: 1\n\n: \n\n");
  gates[1]?.resolve(2);
  assert.match(await taker.all(), /data: 2\n\ndata: \[DONE\]\n\n$/);
  assert.equal(clock.pendingCount, 0);
});

test("a generator is asked for no more than its reader takes, and ended when the reader leaves", async () => {
  let yieldedCount = 0;
  let isEnded = false;
  const { send } = bed({
    async *predict() {
      try {
        for (;;) {
          yieldedCount += 1;
          yield "x".repeat(1_000);
        }
      } finally {
        isEnded = requestContext().requestId === "r-1";
      }
    },
  });
  const taker = new BodyTaker((await send(POST)).body);
  await settle();
  const windowCount = Math.ceil(STREAM_WINDOW_BYTES / 1_010);
  assert.ok(yieldedCount <= windowCount + 1, `${yieldedCount} items`);
  taker.consume();
  await settle();
  assert.ok(yieldedCount > windowCount + 1 && yieldedCount <= 2 * windowCount + 2, `${yieldedCount} items`);
  taker.cancel(new CancelledError("gone"));
  await settle();
  assert.ok(isEnded, "its finally has run, within the request");
});

test("a request that is cancelled before the first item ends its generator at its next step", async () => {
  const gate = Promise.withResolvers<void>();
  let isEnded = false;
  const { cancellation, log, send } = bed({
    async *predict() {
      try {
        await gate.promise;
        yield 1;
      } finally {
        isEnded = true;
      }
    },
  });
  const answering = send(POST);
  await settle();
  cancellation.cancel(new CancelledError("gone"));
  await assert.rejects(answering, CancelledError);
  gate.resolve();
  await settle();
  assert.deepEqual([isEnded, log.lines.length], [true, 0]);
});

test("a request that was cancelled already begins no stream, and leaves no timer", async () => {
  const { cancellation, clock, send } = bed({
    *predict() {
      cancellation.cancel(new CancelledError("gone"));
      yield 1;
    },
    predictLater() {
      return (function* () {
        yield 1;
      })();
    },
  });
  await assert.rejects(send(POST), CancelledError);
  await assert.rejects(send(callOf("predictLater"), encodeValue([])), CancelledError);
  assert.equal(clock.pendingCount, 0);
});

test("a method that yields answers a handle with its items as records", async () => {
  const { send } = bed({
    async *tokens(count: number) {
      for (let at = 0; at < count; at++) yield new Map([["at", at]]);
      yield undefined;
      yield () => 1;
    },
  });
  const { headers, body } = await send(callOf("tokens"), encodeValue([2]));
  assert.deepEqual(headers, []);
  assert.ok(!Array.isArray(body));
  const items = new RecordStream<unknown>(body as BodyGiver["body"], {
    mostBytes: 1_000,
    decode: (_kind, payload) => decodeValue(payload),
  });
  const got: unknown[] = [];
  await assert.rejects(async () => {
    for await (const item of items) got.push(item);
  }, /an item of tokens is a function/);
  assert.deepEqual(got, [new Map([["at", 0]]), new Map([["at", 1]]), undefined]);
});

test("a generator may use the memory of an item again as soon as it goes on", async () => {
  const { send } = bed({
    *vectors() {
      const vector = new Float32Array(4_096);
      for (let at = 0; at < 3; at++) yield vector.fill(at);
    },
  });
  const { body } = await send(callOf("vectors"), encodeValue([]));
  const items = new RecordStream<Float32Array>(body as BodyGiver["body"], {
    mostBytes: 100_000,
    decode: (_kind, payload) => decodeValue(payload) as Float32Array,
  });
  const firsts: unknown[] = [];
  for await (const item of items) firsts.push(item[0]);
  assert.deepEqual(firsts, [0, 1, 2]);
});

test("a long input is put together in memory of its own, without a copy of the whole", async () => {
  let seen: Uint8Array | undefined;
  const { cancellation } = bed({});
  const predict = (input: Uint8Array): number => {
    seen = input;
    return input.byteLength;
  };
  const invoker = new Invoker({
    clock: new ManualClock(),
    log: new RecordingLog(),
    identity,
    instance: { predict },
    input: undefined,
    output: undefined,
  });
  const head: RequestHead = { ...POST, headers: ["content-type", "application/octet-stream"] } as RequestHead;
  const giver = new BodyGiver(8);
  const answering = invoker.answer(head, giver.body, requestScope(head, identity, 1_000, cancellation));
  giver.body.write(Uint8Array.of(0, 0, 128, 63));
  giver.body.write(Buffer.from([0, 0, 0, 64]));
  giver.body.end();
  assert.equal(Buffer.concat((await answering).body as Uint8Array[]).toString(), "8");
  assert.equal(giver.consumedBytes, 8);
  assert.deepEqual([seen?.byteOffset, seen?.buffer.byteLength], [0, 8]);
  assert.deepEqual(new Float32Array((seen as Uint8Array).buffer), Float32Array.of(1, 2));
});

test("a Response whose body comes in chunks is sent as they come, and read no faster than it is taken", async () => {
  let pulls = 0;
  let cancelled: unknown;
  const { send } = bed({
    fetch: () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            pulls += 1;
            controller.enqueue(new Uint8Array(64 * 1024));
          },
          cancel(reason) {
            cancelled = reason;
          },
        }),
        { headers: { "x-a": "1" } },
      ),
  });
  const { headers, body } = await send(POST);
  assert.deepEqual(headers, ["x-a", "1"]);
  const taker = new BodyTaker(body);
  await settle();
  const before = pulls;
  assert.ok(before <= 7, `${before} chunks`);
  taker.consume();
  await settle();
  assert.ok(pulls > before && pulls <= 12, `${pulls} chunks`);
  const gone = new CancelledError("gone");
  taker.cancel(gone);
  await settle();
  assert.equal(cancelled, gone);
});

test("a Response whose first chunk is here is not held back, and one that has ended with it is whole", async () => {
  const gate = Promise.withResolvers<void>();
  const { send } = bed({
    fetch: (request: Request) =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(Buffer.from("first "));
            if (request.headers.get("x-slow") !== null) await gate.promise;
            controller.enqueue(Buffer.from("second"));
            controller.close();
          },
        }),
      ),
  });
  const slow = await send({ ...POST, headers: ["x-slow", "1"] } as RequestHead);
  const taker = new BodyTaker(slow.body);
  assert.equal(taker.text, "first ");
  gate.resolve();
  assert.equal(await taker.all(), "first second");
  const { send: sendForm } = bed({ fetch: () => new Response(new URLSearchParams({ a: "1" })) });
  assert.deepEqual((await sendForm(POST)).body, [new TextEncoder().encode("a=1")]);
});
