import assert from "node:assert/strict";
import { test } from "node:test";
import { BEAT_MS } from "../../../../core/limits.ts";
import type { BeatMessage } from "../../../../proto/control/message.ts";
import { Beat } from "../../../../worker/replica/beat.ts";
import { OngoingLoad } from "../../../../worker/replica/ongoing-load.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";

test("says at once, and then over and over, until when what is ongoing may take, and how late it is", () => {
  const clock = new ManualClock();
  const sent: BeatMessage[] = [];
  const lags: number[] = [];
  const replica = { ongoing: 0, latestDeadlineAt: 0, deadlineTold: () => {} };
  const lag = { observe: (seconds: number): void => void lags.push(seconds) };
  const beat = new Beat({ clock, replica, lag, send: (message) => sent.push(message) });
  beat.start();
  Object.assign(replica, { ongoing: 3, latestDeadlineAt: clock.now() + 5_000 });
  clock.advance(BEAT_MS);
  clock.jump(2_000);
  clock.advance(0);
  assert.deepEqual(sent, [
    { kind: "beat", ongoing: 0, deadlineInMs: null },
    { kind: "beat", ongoing: 3, deadlineInMs: 4_750 },
    { kind: "beat", ongoing: 3, deadlineInMs: 2_750 },
  ]);
  assert.deepEqual(lags, [0, 1.75]);
  beat.close();
  clock.advance(10 * BEAT_MS);
  assert.equal(sent.length, 3);
});

test("a request whose deadline is near that of one that ended is told, where a beat has said since that nothing is ongoing", () => {
  const clock = new ManualClock();
  const sent: (number | null)[] = [];
  const load = new OngoingLoad(() => beat.tell());
  const replica = {
    ongoing: 0,
    get latestDeadlineAt() {
      return load.latestDeadlineAt;
    },
    deadlineTold: () => load.told(),
  };
  const beat = new Beat({ clock, replica, lag: { observe: () => {} }, send: (said) => sent.push(said.deadlineInMs) });
  const startedAt = clock.now();
  const [first, second] = [{ deadlineAt: startedAt + 1_200 }, { deadlineAt: startedAt + 1_350 }];
  load.added(first, startedAt);
  load.removed(first, startedAt, () => []);
  beat.tell();
  load.added(second, startedAt);
  assert.deepEqual(sent, [1_200, null, 1_350]);
});
