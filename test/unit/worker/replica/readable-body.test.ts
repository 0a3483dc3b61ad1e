import assert from "node:assert/strict";
import { test } from "node:test";
import { STREAM_WINDOW_BYTES } from "../../../../core/limits.ts";
import { CancelledError } from "../../../../core/error.ts";
import { readableOf } from "../../../../worker/replica/readable-body.ts";
import { BodyGiver } from "../../../fake/body-bed.ts";
import { settle } from "../../../fake/manual-clock.ts";

test("a reader that stands still holds the producer back, and lets it go on when it reads", async () => {
  const giver = new BodyGiver();
  const reader = readableOf(giver.body).getReader();
  for (let part = 0; part < 4; part++) giver.body.write(new Uint8Array(STREAM_WINDOW_BYTES / 4).fill(part));
  await settle();
  assert.ok(giver.body.outstandingBytes >= STREAM_WINDOW_BYTES / 2);
  for (let part = 0; part < 4; part++) assert.equal((await reader.read()).value?.[0], part);
  await settle();
  assert.equal(giver.body.outstandingBytes, 0);
  giver.body.end();
  assert.equal((await reader.read()).done, true);
  assert.ok(giver.body.isSettled);
});

test("what breaks off is heard by the reader, and a reader that leaves by the producer", async () => {
  const [failing, left] = [new BodyGiver(), new BodyGiver()];
  const reading = assert.rejects(readableOf(failing.body).getReader().read(), /gone/);
  failing.body.fail(new CancelledError("gone"));
  await reading;
  await readableOf(left.body).cancel("enough");
  assert.equal(left.cancelled?.code, "cancelled");
});

test("a body that ends within a number fails the reader of numbers, and nobody else", async () => {
  const giver = new BodyGiver();
  const reading = readableOf(giver.body).getReader({ mode: "byob" }).read(new Uint16Array(8));
  await settle();
  giver.body.write(Uint8Array.of(1));
  giver.body.end();
  await assert.rejects(reading, TypeError);
  assert.ok(giver.body.isSettled);
});
