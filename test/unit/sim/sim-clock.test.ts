import assert from "node:assert/strict";
import { test } from "node:test";
import { runSteps, SimClock, settle } from "../../../sim/sim-clock.ts";

test("callbacks run in the order of their instants, those of one instant in the order they were asked for", () => {
  const clock = new SimClock();
  const seen: string[] = [];
  for (const [delay, name] of [
    [5, "e"],
    [1, "a"],
    [3, "c"],
    [1, "b"],
    [3, "d"],
  ] as const) {
    clock.after(delay, () => seen.push(`${name}@${clock.now()}`));
  }
  while (clock.step());
  assert.deepEqual(seen, ["a@1", "b@1", "c@3", "d@3", "e@5"]);
});

test("a cancelled callback neither runs nor moves time", () => {
  const clock = new SimClock();
  const timer = clock.after(10, () => assert.fail("cancelled"));
  timer.cancel();
  assert.equal(clock.step(), false);
  assert.equal(clock.now(), 0);
});

test("a step does not go past the instant it is limited to", () => {
  const clock = new SimClock();
  clock.after(10, () => {});
  assert.equal(clock.step(9), false);
  assert.equal(clock.step(10), true);
});

test("a heap of many random instants comes out sorted", () => {
  const clock = new SimClock();
  let state = 1;
  let last = 0;
  let count = 0;
  for (let i = 0; i < 2_000; i++) {
    state = (state * 48_271) % 2_147_483_647;
    const timer = clock.after(state % 500, () => {
      assert.ok(clock.now() >= last);
      last = clock.now();
      count += 1;
    });
    if (state % 3 === 0) timer.cancel();
  }
  while (clock.step());
  assert.ok(count > 1_000);
});

test("the barrier drains microtasks however deep they nest", async () => {
  let depth = 0;
  const nest = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) {
      await Promise.resolve();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      depth += 1;
    }
  };
  void nest();
  await settle();
  assert.equal(depth, 50);
});

test("what a step started has come to rest before the next step, over any number of steps", async () => {
  let open = 0;
  let steps = 0;
  const nest = async (): Promise<void> => {
    open += 1;
    for (let i = 0; i < 5; i++) {
      await Promise.resolve();
      await new Promise<void>((resolve) => process.nextTick(resolve));
    }
    open -= 1;
  };
  await runSteps(() => {
    assert.equal(open, 0);
    if (steps === 200) return false;
    steps += 1;
    void nest();
    return true;
  });
  assert.equal(steps, 200);
  await assert.rejects(
    runSteps(() => {
      throw new Error("a step failed");
    }),
    /a step failed/,
  );
});
