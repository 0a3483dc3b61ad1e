import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../core/cancellation.ts";
import { systemDefer } from "../../../core/clock.ts";
import { InvalidRequestError } from "../../../core/error.ts";
import { rowsToFeeds, outputToRows } from "../../../session/rows.ts";
import { Runner } from "../../../session/runner.ts";
import type { Feeds, RunCaller, Tensor, TensorInfo } from "../../../session/session.ts";
import { FakeSession } from "../../fake/fake-session.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

const caller: RunCaller = { deadlineAt: Number.POSITIVE_INFINITY, cancellation: new Cancellation() };
const info = (name: string, dims: TensorInfo["dims"], type: TensorInfo["type"] = "float32"): TensorInfo => ({
  name,
  type,
  dims,
});

/** Doubles; fails any run that holds a 13. */
function double(feeds: Feeds): Feeds {
  const { data, dims } = feeds["x"] as Tensor;
  if ((data as Float32Array).includes(13)) throw new Error("13 is unlucky");
  return { y: { data: (data as Float32Array).map((value) => value * 2), dims } };
}

function bed(maxBatchSize: number, dims: TensorInfo["dims"] = ["batch", "width"]) {
  const session = new FakeSession({ inputs: [info("x", dims)], outputs: [info("y", dims)] }, double);
  const deps = { clock: new ManualClock(), defer: systemDefer, metrics: undefined };
  return { session, runner: new Runner(deps, session, { name: "model", maxBatchSize, allowNaN: false }) };
}

const row = (...values: number[]): Feeds => ({ x: { data: Float32Array.from(values), dims: [1, values.length] } });

test("runs asked for together are one run of the session, split among the callers", async () => {
  const { session, runner } = bed(8);
  const answers = await Promise.all([runner.run(row(1, 2), caller), runner.run(row(3, 4), caller)]);
  assert.equal(session.runs.length, 1);
  assert.deepEqual(session.runs[0]?.feeds["x"]?.dims, [2, 2]);
  assert.deepEqual(answers[1], { y: { data: Float32Array.of(6, 8), dims: [1, 2] } });
});

test("shapes that differ run apart, and a run that fails takes only its own callers with it", async () => {
  const { session, runner } = bed(8);
  const unlucky = assert.rejects(runner.run(row(13), caller), /unlucky/);
  const fine = runner.run(row(1, 2), caller);
  await unlucky;
  assert.deepEqual((await fine)["y"]?.data, Float32Array.of(2, 4));
  assert.equal(session.runs.length, 2);
});

test("one item that makes a stacked run fail does so alone", async () => {
  const { session, runner } = bed(8);
  const outcomes = await Promise.allSettled([1, 2, 13, 4].map((value) => runner.run(row(value), caller)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
  assert.equal(session.runs.length, 5, "four together, two halves, and the two of the bad half");
});

test("an output that belongs to nobody fails all at once: running them again would not help", async () => {
  const inputs = [info("x", ["batch", "width"])];
  const mean = new FakeSession({ inputs, outputs: [info("mean", [])] }, () => ({
    mean: { data: Float32Array.of(1), dims: [] },
  }));
  const deps = { clock: new ManualClock(), defer: systemDefer, metrics: undefined };
  const runner = new Runner(deps, mean, { name: "model", maxBatchSize: 8, allowNaN: false });
  const outcomes = await Promise.allSettled([1, 2, 3].map((value) => runner.run(row(value), caller)));
  for (const outcome of outcomes) assert.equal(outcome.status, "rejected");
  assert.equal(mean.runs.length, 1);
});

test("what does not fit never reaches the session, nor another's batch", async () => {
  const { session, runner } = bed(8, ["batch", 2]);
  const refused = assert.rejects(runner.run(row(1, 2, 3), caller), InvalidRequestError);
  const fine = runner.run(row(1, 2), caller);
  await refused;
  await fine;
  assert.equal(session.runs.length, 1);
});

test("without batching every run is its own and keeps the caller's memory", async () => {
  const { session, runner } = bed(0);
  const feeds = row(1, 2);
  await Promise.all([runner.run(feeds, caller), runner.run(feeds, caller)]);
  assert.equal(session.runs.length, 2);
  assert.notEqual(session.runs[0]?.feeds["x"]?.data, feeds["x"]?.data);
});

test("rows become feeds of the model's shape and type, and outputs rows again", () => {
  const square = new FakeSession({ inputs: [info("x", ["n", 1, 2, 2])], outputs: [info("y", ["n"], "int64")] });
  assert.deepEqual(rowsToFeeds([[1, 2, 3, 4]], square)["x"]?.dims, [1, 1, 2, 2]);
  const labels = outputToRows({ y: { data: BigInt64Array.of(7n, 8n), dims: [2] } }, square);
  assert.deepEqual(labels, [BigInt64Array.of(7n), BigInt64Array.of(8n)]);
  const whole = new FakeSession({ inputs: [info("x", ["n", 2], "int64")], outputs: [info("y", ["n"])] });
  assert.deepEqual(rowsToFeeds([[1, 2]], whole)["x"]?.data, BigInt64Array.of(1n, 2n));
  assert.throws(() => rowsToFeeds([[1.5, 2]], whole), InvalidRequestError);
});

test("rows that are none, differ in length or hold no numbers are all named", () => {
  const { session } = bed(0, ["batch", 2]);
  assert.throws(() => rowsToFeeds([], session), /no rows/);
  assert.throws(
    () => rowsToFeeds([[1, 2], [1], "ab" as never, [1, "2" as never]], session),
    (error) => {
      assert.ok(error instanceof InvalidRequestError);
      assert.deepEqual(
        error.details.problems?.map(({ path }) => path),
        ["[1]", "[2]", "[3][1]"],
      );
      return true;
    },
  );
});

test("a model with two outputs cannot be predicted with, and says what to call", () => {
  const two = new FakeSession({
    inputs: [info("x", ["n", 2])],
    outputs: [info("label", ["n"]), info("scores", ["n", 2])],
  });
  assert.throws(() => rowsToFeeds([[1, 2]], two), /label, scores: call run\(feeds\)/);
});
