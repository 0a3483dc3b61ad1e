import assert from "node:assert/strict";
import { test } from "node:test";
import { Departure } from "../../../worker/departure.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

function bed(given: { readonly replicas: number; readonly isConnected: boolean }) {
  const clock = new ManualClock();
  const state = { replicas: given.replicas, told: 0, hasLeft: false };
  const departure = new Departure({
    clock,
    log: new RecordingLog(),
    replicaCount: () => state.replicas,
    tell: () => {
      state.told++;
      return given.isConnected;
    },
  });
  const leave = (): Promise<void> => departure.leave(10_000).then(() => void (state.hasLeft = true));
  return { clock, state, departure, leave };
}

test("a node that ends says so, and waits until its last replica is gone", async () => {
  const { state, departure, leave } = bed({ replicas: 2, isConnected: true });
  const left = leave();
  assert.deepEqual([departure.isLeaving, state.told], [true, 1]);
  state.replicas = 1;
  departure.replicaGone();
  assert.equal(state.hasLeft, false);
  state.replicas = 0;
  departure.replicaGone();
  await left;
});

test("a node that ends waits for nobody where nothing runs or no controller hears it, and for nobody too long", async () => {
  await bed({ replicas: 0, isConnected: true }).leave();
  await bed({ replicas: 2, isConnected: false }).leave();
  const over = bed({ replicas: 2, isConnected: true });
  const ended = over.leave();
  over.departure.giveUp();
  await ended;
  const { clock, state, leave } = bed({ replicas: 2, isConnected: true });
  const left = leave();
  await clock.advanceAsync(9_999);
  assert.equal(state.hasLeft, false);
  await clock.advanceAsync(1);
  await left;
});
