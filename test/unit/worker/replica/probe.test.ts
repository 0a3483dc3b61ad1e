import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "../../../../core/clock.ts";
import { UNHEALTHY_AFTER_FAILURES } from "../../../../core/limits.ts";
import { Probe } from "../../../../worker/replica/probe.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const TIMES = { periodMs: 1_000, timeoutMs: 100 };

function bed(healthCheck: (() => unknown) | undefined, selfTest?: (timeoutMs: number) => Promise<void>) {
  const clock = new ManualClock();
  const unhealthy: string[] = [];
  const probe = new Probe(
    { clock, log: new RecordingLog(), healthCheck, selfTest, onUnhealthy: (reason) => unhealthy.push(reason) },
    TIMES,
  );
  probe.start();
  return { clock, unhealthy, probe };
}

test("failures in a row make a replica unhealthy, once, with the last cause", async () => {
  let asked = 0;
  const { clock, unhealthy } = bed(() => {
    asked++;
    throw new Error("no GPU");
  });
  await clock.advanceAsync((UNHEALTHY_AFTER_FAILURES - 1) * TIMES.periodMs);
  assert.deepEqual(unhealthy, []);
  await clock.advanceAsync(10 * TIMES.periodMs);
  assert.equal(unhealthy.length, 1);
  assert.match(unhealthy[0] ?? "", /3 health checks in a row failed, the last one: Error: no GPU/);
  assert.equal(asked, UNHEALTHY_AFTER_FAILURES);
});

test("one success starts the count again", async () => {
  let asked = 0;
  const { clock, unhealthy } = bed(() => asked++ % 3 === 2);
  await clock.advanceAsync(20 * TIMES.periodMs);
  assert.deepEqual(unhealthy, [], "false, false, true, false, false, true …");
});

test("a check that never answers fails once per time-out, and is not asked again before it is over", async () => {
  let asked = 0;
  const { clock, unhealthy } = bed(() => {
    asked++;
    return new Promise(() => {});
  });
  await clock.advanceAsync(3 * (TIMES.periodMs + TIMES.timeoutMs));
  assert.equal(asked, 1);
  assert.match(unhealthy[0] ?? "", /no answer within 100 ms/);
});

test("a closed probe asks nothing and leaves no timer", async () => {
  const { clock, probe } = bed(() => assert.fail("asked"));
  probe.close();
  await clock.advanceAsync(10_000);
  assert.equal(clock.pendingCount, 0);
});

test("models are tried after the user's check and keep their time themselves", async () => {
  const asked: number[] = [];
  const broken: { failure?: Error } = {};
  const slow = (timeoutMs: number): Promise<void> => {
    asked.push(timeoutMs);
    return broken.failure === undefined ? sleep(clock, 6 * TIMES.timeoutMs) : Promise.reject(broken.failure);
  };
  const { clock, unhealthy } = bed(undefined, slow);
  await clock.advanceAsync(10 * TIMES.periodMs);
  assert.deepEqual(unhealthy, []);
  assert.equal(asked[0], TIMES.timeoutMs);
  broken.failure = new Error("the device is lost");
  await clock.advanceAsync(5 * TIMES.periodMs);
  assert.match(unhealthy[0] ?? "", /the last one: Error: the device is lost/);
});
