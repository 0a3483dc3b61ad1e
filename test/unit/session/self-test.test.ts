import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "../../../core/clock.ts";
import { SelfTest } from "../../../session/self-test.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

const TIMEOUT_MS = 5_000;

/** A model that was just warmed up, and whose tests take `runMs`. */
function bed(runMs = 0, warmupMs = 0) {
  const clock = new ManualClock();
  const state = { isIdle: true, ranCount: 0, runMs, failure: undefined as Error | undefined };
  const selfTest = new SelfTest({ clock: () => clock, name: "model m", isIdle: () => state.isIdle });
  const warm = (): void =>
    selfTest.use(async () => {
      state.ranCount += 1;
      if (state.runMs > 0) await sleep(clock, state.runMs);
      if (state.failure !== undefined) throw state.failure;
    }, warmupMs);
  warm();
  return { clock, state, selfTest };
}

/** How the next test ends within so long: "passed", why it failed, or "waits". */
async function outcome({ clock, selfTest }: ReturnType<typeof bed>, withinMs = 0): Promise<string> {
  let text = "waits";
  selfTest.run(TIMEOUT_MS).then(
    () => (text = "passed"),
    (error: Error) => (text = error.message),
  );
  await clock.advanceAsync(withinMs);
  return text;
}

test("a model is run where nobody has run it since it was asked last, and its failure is told", async () => {
  const model = bed();
  const { state, selfTest } = model;
  await selfTest.run(TIMEOUT_MS);
  assert.equal(state.ranCount, 0, "it was warmed up just now");
  await selfTest.run(TIMEOUT_MS);
  assert.equal(state.ranCount, 1);
  await selfTest.run(TIMEOUT_MS);
  assert.equal(state.ranCount, 1, "its own test has shown it");
  selfTest.passed();
  await selfTest.run(TIMEOUT_MS);
  assert.equal(state.ranCount, 1, "a user's run has shown it");
  state.failure = new Error("the device is lost");
  for (let i = 0; i < 3; i++) assert.equal(await outcome(model), "the device is lost");
});

test("a model that could not be warmed up says nothing", async () => {
  const clock = new ManualClock();
  await new SelfTest({ clock: () => clock, name: "model m", isIdle: () => true }).run(TIMEOUT_MS);
});

test("nothing is tested behind a run that is under way, however long that takes, nor a model that is closed", async () => {
  const model = bed();
  model.state.isIdle = false;
  for (let i = 0; i < 5; i++) assert.equal(await outcome(model), "passed");
  assert.equal(model.state.ranCount, 0);
});

test("a model that is slow from its warm-up on may take three times as long as that", async () => {
  const model = bed(16_000, 6_000);
  await model.selfTest.run(TIMEOUT_MS);
  assert.equal(await outcome(model, 16_000), "passed");
  model.selfTest.passed();
  await model.selfTest.run(TIMEOUT_MS);
  model.state.runMs = 30_000;
  assert.match(await outcome(model, 18_000), /^model m has not ended its self-test within 18000 ms/);
});

test("a test that hangs is counted again and again, and no second one is begun beside it", async () => {
  const model = bed(1e9);
  await model.selfTest.run(TIMEOUT_MS);
  for (let i = 0; i < 3; i++) assert.match(await outcome(model, TIMEOUT_MS), /has not ended its self-test/);
  assert.equal(model.state.ranCount, 1);
});

test("a test that ended late has passed", async () => {
  const model = bed(7_000);
  await model.selfTest.run(TIMEOUT_MS);
  assert.match(await outcome(model, TIMEOUT_MS), /has not ended/);
  await model.clock.advanceAsync(5_000);
  assert.equal(await outcome(model), "passed");
  assert.equal(model.state.ranCount, 1);
});
