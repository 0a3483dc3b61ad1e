import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../../core/random.ts";
import { pick, type PickCandidate, type PickInput } from "../../../../routing/decide/pick.ts";

function replica(ongoing: number, more: Partial<PickCandidate> = {}): PickCandidate {
  return { isReady: true, ongoing, maxOngoingRequests: 4, reportedOngoing: ongoing, ...more };
}

function input(replicas: readonly PickCandidate[], more: Partial<PickInput> = {}): PickInput {
  return { replicas, routing: "leastOngoing", availability: "available", lastPicked: -1, ...more };
}

function picks(given: PickInput, count: number): number[] {
  const random = seededRandom(1);
  const counts = given.replicas.map(() => 0);
  for (let time = 0; time < count; time++) {
    const decision = pick(given, random);
    if (decision.kind === "pick") counts[decision.index] = (counts[decision.index] ?? 0) + 1;
  }
  return counts;
}

test("of two replicas the one with fewer ongoing requests is always taken", () => {
  assert.deepEqual(picks(input([replica(2), replica(1)]), 100), [0, 100]);
});

test("equal replicas are taken equally often", () => {
  const [one = 0, two = 0, three = 0] = picks(input([replica(1), replica(1), replica(1)]), 3_000);
  for (const count of [one, two, three]) assert.ok(count > 850 && count < 1_150, String(count));
});

test("what replicas report breaks ties", () => {
  const replicas = [replica(1, { reportedOngoing: 3 }), replica(1, { reportedOngoing: 1 })];
  assert.deepEqual(picks(input(replicas), 50), [0, 50]);
});

test("the only replica with a free slot is found among many", () => {
  const replicas = Array.from({ length: 20 }, () => replica(4));
  replicas[13] = replica(3);
  assert.equal(picks(input(replicas), 50)[13], 50);
});

test("a replica whose link is down, and one that is full, get nothing", () => {
  assert.deepEqual(picks(input([replica(0, { isReady: false }), replica(4), replica(3)]), 50), [0, 0, 50]);
});

test("round robin goes on from the last one and passes over those that cannot", () => {
  const replicas = [replica(0), replica(4), replica(3)];
  const given = input(replicas, { routing: "roundRobin", lastPicked: 0 });
  assert.deepEqual(pick(given, seededRandom(1)), { kind: "pick", index: 2, reason: "roundRobin" });
  assert.deepEqual(pick({ ...given, lastPicked: 2 }, seededRandom(1)), {
    kind: "pick",
    index: 0,
    reason: "roundRobin",
  });
});

test("a request waits while all are busy, while links are down, and while a start is in progress", () => {
  const random = seededRandom(1);
  assert.deepEqual(pick(input([replica(4), replica(4)]), random), { kind: "queue", reason: "allBusy" });
  assert.deepEqual(pick(input([replica(0, { isReady: false })]), random), { kind: "queue", reason: "noneReady" });
  assert.deepEqual(pick(input([], { availability: "starting" }), random), { kind: "queue", reason: "starting" });
  assert.deepEqual(pick(input([]), random), { kind: "queue", reason: "noneReady" });
});

test("a request fails at once only when the last start failed and no replica is left", () => {
  const random = seededRandom(1);
  assert.deepEqual(pick(input([], { availability: "failed" }), random), { kind: "fail", reason: "startFailed" });
  assert.equal(pick(input([replica(0)], { availability: "failed" }), random).kind, "pick");
});
