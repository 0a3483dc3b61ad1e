import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock, waitingClock } from "../../../core/clock.ts";

const timerCount = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

test("a timer keeps the process alive where nothing else may, and only there", () => {
  const before = timerCount();
  const timers = [systemClock.after(60_000, () => {}), waitingClock.after(60_000, () => {})];
  assert.equal(timerCount(), before + 1);
  for (const timer of timers) timer.cancel();
  assert.equal(timerCount(), before);
});
