import assert from "node:assert/strict";
import { test } from "node:test";
import { OngoingLoad } from "../../../../worker/replica/ongoing-load.ts";

function bed() {
  const told: number[] = [];
  const load = new OngoingLoad(() => told.push(load.latestDeadlineAt));
  return { load, told };
}

test("the latest deadline is that of the requests that are still ongoing", () => {
  const { load, told } = bed();
  const [soon, late] = [{ deadlineAt: 500 }, { deadlineAt: 9_000 }];
  load.added(late, 0);
  load.added(soon, 10);
  assert.equal(load.latestDeadlineAt, 9_000);
  load.removed(late, 20, () => [soon]);
  assert.equal(load.latestDeadlineAt, 500);
  load.removed(soon, 30, () => []);
  assert.equal(load.latestDeadlineAt, 0);
  assert.deepEqual(told, [9_000, 500]);
});

test("with one time limit for all, a new latest deadline is told four times a second", () => {
  const { load, told } = bed();
  for (let now = 1_000; now < 2_000; now += 5) {
    const request = { deadlineAt: now + 60_000 };
    load.added(request, now);
    load.removed(request, now + 4, () => []);
  }
  assert.equal(told.length, 4);
});

test("a request with much less time than the one before it is told before it is served", () => {
  const { load, told } = bed();
  const [long, short] = [{ deadlineAt: 60_000 }, { deadlineAt: 1_500 }];
  load.added(long, 0);
  load.removed(long, 500, () => []);
  load.added(short, 1_000);
  assert.deepEqual(told, [60_000, 1_500]);
});

test("a WebSocket, which never is too late, protects nobody", () => {
  const { load } = bed();
  const socket = { deadlineAt: 4_000 };
  load.added(socket, 0);
  socket.deadlineAt = Infinity;
  load.changed(() => [socket]);
  assert.equal(load.latestDeadlineAt, 0);
  const request = { deadlineAt: 700 };
  load.added(request, 1);
  load.removed(socket, 2, () => [request]);
  assert.equal(load.latestDeadlineAt, 700);
});

test("time is counted once for every request that is ongoing", () => {
  const { load } = bed();
  load.added({ deadlineAt: 1 }, 100);
  load.added({ deadlineAt: 2 }, 150);
  load.removed({ deadlineAt: 2 }, 200, () => []);
  assert.equal(load.requestMs(300), 200 + 50);
});
