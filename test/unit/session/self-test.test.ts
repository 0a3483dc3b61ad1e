import assert from "node:assert/strict";
import { test } from "node:test";
import { SelfTest } from "../../../session/self-test.ts";

test("a model is run where nobody has run it since it was asked last, and its failure is told", async () => {
  const selfTest = new SelfTest();
  await selfTest.run();
  let ranCount = 0;
  let failure: Error | undefined;
  selfTest.use(async () => {
    ranCount += 1;
    if (failure !== undefined) throw failure;
  });
  await selfTest.run();
  assert.equal(ranCount, 0, "it was warmed up just now");
  await selfTest.run();
  assert.equal(ranCount, 1);
  selfTest.passed();
  await selfTest.run();
  assert.equal(ranCount, 1, "a user's run has shown it");
  failure = new Error("the device is lost");
  await assert.rejects(selfTest.run(), /the device is lost/);
});
