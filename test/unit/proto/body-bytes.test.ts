import assert from "node:assert/strict";
import { test } from "node:test";
import { CancelledError } from "../../../core/error.ts";
import { bytesOf } from "../../../proto/body-bytes.ts";
import { BodyGiver } from "../../fake/body-bed.ts";

test("a whole body is there at once, the same bytes where it is one part", () => {
  const part = Uint8Array.of(1, 2);
  assert.equal(bytesOf([part]), part);
  assert.deepEqual(bytesOf([part, Uint8Array.of(3)]), Buffer.of(1, 2, 3));
  assert.deepEqual(bytesOf([]), new Uint8Array(0));
});

for (const length of [undefined, 6, 2, 100]) {
  test(`a stream of 6 bytes that said ${length ?? "no length"} is put together in memory of its own`, async () => {
    const giver = new BodyGiver(length);
    const gathering = bytesOf(giver.body);
    for (const part of ["ab", "c", "def"]) giver.body.write(Buffer.from(part));
    giver.body.end();
    const bytes = await gathering;
    assert.equal(Buffer.from(bytes).toString(), "abcdef");
    assert.deepEqual([bytes.byteOffset, giver.consumedBytes], [0, 6]);
    assert.ok(giver.body.isSettled);
  });
}

test("a stream that breaks off rejects with its error", async () => {
  const giver = new BodyGiver();
  const gathering = bytesOf(giver.body);
  giver.body.write(Buffer.from("ab"));
  giver.body.fail(new CancelledError("gone"));
  await assert.rejects(Promise.resolve(gathering), /gone/);
});

test("bytes that are lent are copied to their place, and kept where the place was not known", async () => {
  for (const [length, outcome] of [
    [4, "free"],
    [undefined, "kept"],
  ] as const) {
    const giver = new BodyGiver(length);
    const gathering = bytesOf(giver.body);
    const parts = [Buffer.from("ab"), Buffer.from("cd")];
    for (const part of parts) assert.equal(giver.body.lend(part, assert.fail), outcome);
    if (outcome === "free") for (const part of parts) part.fill(0);
    giver.body.end();
    assert.equal(Buffer.from(await gathering).toString(), "abcd");
  }
});
