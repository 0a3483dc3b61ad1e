import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultThreads, maySpin, optionProblems } from "../../../session/onnx-options.ts";

test("a run has as many threads as the replica has whole cores, and one where it has less", () => {
  assert.deepEqual([0, 0.1, 1, 1.9, 4].map(defaultThreads), [1, 1, 1, 1, 4]);
});

test("threads spin only where they leave a core to others", () => {
  assert.deepEqual([maySpin(1, 2), maySpin(2, 2), maySpin(4, 2)], [true, false, false]);
});

test("every option that cannot be used is named", () => {
  const options = { batch: { maxBatchSize: 1.5, pad: { x: "0" as never } }, providers: [], threads: 2.5 };
  assert.deepEqual(
    optionProblems("", options).map(({ path }) => path),
    ["path", "batch.maxBatchSize", "batch.pad.x", "threads", "providers"],
  );
  assert.deepEqual(optionProblems(new URL("file:///model.onnx"), { threads: 2 }), []);
});
