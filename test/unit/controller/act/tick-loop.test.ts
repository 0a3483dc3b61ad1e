import assert from "node:assert/strict";
import { it } from "node:test";
import { TickLoop } from "../../../../controller/act/tick-loop.ts";
import { TICK_MS } from "../../../../core/limits.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const settled = (): Promise<void> => new Promise(setImmediate);

function bed(work: () => Promise<void> = () => Promise.resolve()) {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const at: number[] = [];
  const loop = new TickLoop({
    ...{ clock, log },
    tick: () => {
      at.push(clock.now());
      return work();
    },
  });
  return { clock, log, loop, at };
}

it("wishes that come together are one turn, an earlier one stays, and there is one every so often", async () => {
  const { clock, loop, at } = bed();
  loop.wake(100);
  loop.wake(400);
  loop.wake(100);
  clock.advance(100);
  await settled();
  clock.advance(TICK_MS);
  await settled();
  assert.deepEqual(at, [100, 100 + TICK_MS]);
  loop.close();
  clock.advance(10 * TICK_MS);
  assert.equal(at.length, 2);
  assert.equal(clock.pendingCount, 0);
});

it("no turn begins while one is on, and one that fails is followed by the next", async () => {
  let end: (() => void) | undefined;
  let isFailing = false;
  const { clock, log, loop, at } = bed(
    () => new Promise((resolve, reject) => (end = () => (isFailing ? reject(new Error("full")) : resolve()))),
  );
  loop.wake(0);
  clock.advance(0);
  loop.wake(0);
  clock.advance(500);
  assert.deepEqual(at, [0]);
  isFailing = true;
  end?.();
  await settled();
  clock.advance(0);
  assert.deepEqual(at, [0, 500]);
  assert.equal(log.lines.length, 1);
});
