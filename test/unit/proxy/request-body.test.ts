import assert from "node:assert/strict";
import { test } from "node:test";
import { CancelledError, ServeError } from "../../../core/error.ts";
import { MOST_REPLAYED_BODY_BYTES, STREAM_WINDOW_BYTES } from "../../../core/limits.ts";
import { isStream, type Body, type BodyStream } from "../../../proto/body.ts";
import { IncomingBody, type IncomingBodyOptions } from "../../../proxy/request-body.ts";

const MOST = 10 * STREAM_WINDOW_BYTES;
const CLIENT_GONE = new CancelledError("the client went away");

/** A body, and what it asked of its front. */
function incoming(options: Partial<IncomingBodyOptions> = {}): { body: IncomingBody; asked: string[] } {
  const asked: string[] = [];
  const body = new IncomingBody({
    length: undefined,
    mostBytes: MOST,
    now: 0,
    limits: { requestReadTimeoutMs: 30_000, slowBodySpanMs: 5_000 },
    pause: () => asked.push("pause"),
    resume: () => asked.push("resume"),
    onUnwanted: () => asked.push("unwanted"),
    ...options,
  });
  return { body, asked };
}

function bytes(length: number): Uint8Array {
  return new Uint8Array(length);
}

async function stream(body: IncomingBody): Promise<BodyStream> {
  const result = await body.result;
  assert.ok(isStream(result));
  return result;
}

/** What a receiver that keeps what it gets would hear. */
function take(from: BodyStream): { heard: string[]; receivedBytes: () => number } {
  const heard: string[] = [];
  let received = 0;
  from.receive({
    onData: (part) => (received += part.byteLength),
    onEnd: () => heard.push("end"),
    onError: (error) => heard.push(error.code),
  });
  return { heard, receivedBytes: () => received };
}

function lengths(body: Body): number[] {
  assert.ok(!isStream(body));
  return body.map((part) => part.byteLength);
}

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof ServeError && error.code === expected;
}

test("a body of declared length is whole with its last byte, before its end is told", async () => {
  const { body } = incoming({ length: 5 });
  body.push(bytes(2));
  body.push(bytes(3));
  assert.deepEqual(lengths(await body.result), [2, 3]);
});

test("a chunked body is whole at its end, up to what is held", async () => {
  const { body } = incoming();
  body.push(bytes(MOST_REPLAYED_BODY_BYTES));
  body.end();
  assert.deepEqual(lengths(await body.result), [MOST_REPLAYED_BODY_BYTES]);
});

test("a longer body streams: at once where its length was declared, else from the byte that makes it longer", async () => {
  const declared = incoming({ length: MOST_REPLAYED_BODY_BYTES + 1 });
  assert.equal((await stream(declared.body)).length, MOST_REPLAYED_BODY_BYTES + 1);
  const chunked = incoming();
  chunked.body.push(bytes(MOST_REPLAYED_BODY_BYTES));
  chunked.body.push(bytes(1));
  const taken = take(await stream(chunked.body));
  assert.equal(taken.receivedBytes(), MOST_REPLAYED_BODY_BYTES + 1);
  chunked.body.end();
  assert.deepEqual(taken.heard, ["end"]);
});

test("the client is paused when the window is full, whether or not somebody takes it, and goes on below half of it", async () => {
  const { body, asked } = incoming({ length: MOST });
  const taken = await stream(body);
  body.push(bytes(STREAM_WINDOW_BYTES - 1));
  assert.deepEqual(asked, []);
  body.push(bytes(1));
  body.push(bytes(10));
  assert.deepEqual(asked, ["pause"]);
  take(taken);
  taken.consumed(STREAM_WINDOW_BYTES / 2 + 10);
  assert.deepEqual(asked, ["pause"]);
  taken.consumed(1);
  assert.deepEqual(asked, ["pause", "resume"]);
});

test("a body that ends while the client is paused lets it go on", async () => {
  const { body, asked } = incoming({ length: STREAM_WINDOW_BYTES });
  const taken = take(await stream(body));
  body.push(bytes(STREAM_WINDOW_BYTES));
  assert.deepEqual(taken.heard, ["end"]);
  assert.deepEqual(asked, ["pause", "resume"]);
});

test("a body that is too long is refused before it comes where that was declared, and its rest is not wanted", async () => {
  const { body, asked } = incoming({ length: MOST + 1 });
  await assert.rejects(body.result, code("payload_too_large"));
  assert.deepEqual(asked, ["unwanted"]);
});

test("a chunked body that is too long fails at the byte that is too much, held or streamed", async () => {
  const held = incoming({ mostBytes: 10 });
  held.body.push(bytes(10));
  held.body.push(bytes(1));
  await assert.rejects(held.body.result, code("payload_too_large"));
  assert.deepEqual(held.asked, ["unwanted"]);
  const streamed = incoming({ mostBytes: MOST_REPLAYED_BODY_BYTES + 5 });
  streamed.body.push(bytes(MOST_REPLAYED_BODY_BYTES + 5));
  const taken = take(await stream(streamed.body));
  streamed.body.push(bytes(1));
  assert.deepEqual(taken.heard, ["payload_too_large"]);
  assert.deepEqual(streamed.asked, ["unwanted"]);
});

test("a body that its receiver cancels is not wanted, and what still comes is dropped", async () => {
  const { body, asked } = incoming({ length: MOST });
  const taken = await stream(body);
  taken.cancel(CLIENT_GONE);
  body.push(bytes(2 * STREAM_WINDOW_BYTES));
  body.end();
  assert.deepEqual(asked, ["unwanted"]);
});

test("a body whose client goes away fails, held or streamed", async () => {
  const held = incoming({ length: 5 });
  held.body.fail(CLIENT_GONE);
  await assert.rejects(held.body.result, code("cancelled"));
  const streamed = incoming({ length: MOST });
  const taken = take(await stream(streamed.body));
  streamed.body.fail(CLIENT_GONE);
  streamed.body.fail(CLIENT_GONE);
  assert.deepEqual(taken.heard, ["cancelled"]);
});

test("a held body has so long in total, however steadily it comes", async () => {
  const { body } = incoming({ length: MOST_REPLAYED_BODY_BYTES });
  for (let now = 1_000; now < 30_000; now += 1_000) {
    body.push(bytes(2_000));
    assert.equal(body.checkPace(now), undefined);
  }
  assert.equal(body.checkPace(30_000)?.code, "request_timeout");
  await assert.rejects(body.result, code("request_timeout"));
});

test("a streamed body may take as long as it likes, but not slower than a kilobyte a second", async () => {
  const { body } = incoming({ length: MOST });
  const taken = take(await stream(body));
  for (let now = 5_000; now <= 60_000; now += 5_000) {
    body.push(bytes(5 * 1_024));
    assert.equal(body.checkPace(now), undefined);
  }
  body.push(bytes(5 * 1_024 - 1));
  assert.equal(body.checkPace(64_999), undefined);
  assert.equal(body.checkPace(65_000)?.code, "request_timeout");
  assert.deepEqual(taken.heard, ["request_timeout"]);
  assert.equal(body.checkPace(99_000), undefined);
});

test("time in which the client was paused is not held against it", async () => {
  const { body } = incoming({ length: MOST });
  const taken = await stream(body);
  take(taken);
  body.push(bytes(STREAM_WINDOW_BYTES));
  assert.equal(body.checkPace(100_000), undefined);
  taken.consumed(STREAM_WINDOW_BYTES);
  assert.equal(body.checkPace(200_000), undefined);
  assert.equal(body.checkPace(204_999), undefined);
  assert.equal(body.checkPace(205_000)?.code, "request_timeout");
});
