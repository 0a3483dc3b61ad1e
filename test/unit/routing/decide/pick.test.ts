import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../../core/random.ts";
import { pick, type PickCandidate, type PickInput, type PickWish } from "../../../../routing/decide/pick.ts";
import { buildRing } from "../../../../routing/decide/ring.ts";

const ANY: PickWish = { key: "", modelId: "" };
const session = (key: string): PickWish => ({ key, modelId: "" });

type Replica = { -readonly [K in keyof PickCandidate]: PickCandidate[K] };

/** One with four slots. */
function replica(ongoing: number, more: Partial<PickCandidate> = {}): Replica {
  return {
    isFree: ongoing < 4,
    ongoing,
    maxOngoingRequests: 4,
    reportedOngoing: ongoing,
    turnAt: 0,
    position: 0,
    idHash: 0,
    models: { count: 0, has: () => false },
    ...more,
  };
}

/** All of them equally far. */
function input(replicas: readonly Replica[], more: Partial<PickInput<Replica>> = {}): PickInput<Replica> {
  for (const [position, each] of replicas.entries()) each.position = position;
  return {
    replicas,
    free: [[], [], replicas.filter(({ isFree }) => isFree)],
    holdersOf: (modelId) => replicas.filter(({ models }) => models.has(modelId)),
    readyCount: replicas.length,
    ongoingCount: replicas.reduce((sum, { ongoing }) => sum + ongoing, 0),
    routing: "leastOngoing",
    availability: "available",
    ring: undefined,
    ...more,
  };
}

/** How often each is picked. */
function picks(given: PickInput<Replica>, count: number): number[] {
  const random = seededRandom(1);
  const counts = given.replicas.map(() => 0);
  for (let time = 0; time < count; time++) {
    const decision = pick(given, ANY, random);
    if (decision.kind === "pick") counts[decision.replica.position] = (counts[decision.replica.position] ?? 0) + 1;
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

test("a nearer replica with a free slot is taken however busy it is, and passed over when it is full", () => {
  const [near, zone, far] = [replica(3), replica(0), replica(0)];
  const all = [near, zone, far];
  assert.deepEqual(picks(input(all, { free: [[near], [zone], [far]] }), 10), [10, 0, 0]);
  assert.deepEqual(picks(input(all, { free: [[], [zone], [far]] }), 10), [0, 10, 0]);
  assert.deepEqual(picks(input(all, { free: [[], [], [far]] }), 10), [0, 0, 10]);
});

for (const routing of ["roundRobin", "weighted"] as const) {
  test(`${routing} takes the one whose turn comes first, and passes over those that are full`, () => {
    const replicas = [replica(0, { turnAt: 3 }), replica(4, { turnAt: 1 }), replica(3, { turnAt: 2 })];
    const decision = pick(input(replicas, { routing }), ANY, seededRandom(1));
    assert.deepEqual(decision, { kind: "pick", replica: replicas[2], reason: routing });
  });
}

test("of equal turns the replica that stands first in the table is taken", () => {
  const replicas = [replica(0), replica(0), replica(0)];
  const given = input(replicas, { routing: "roundRobin", free: [[], [], replicas.toReversed()] });
  assert.equal(pick(given, ANY, seededRandom(1)).kind === "pick" && picks(given, 5)[0], 5);
});

/** Four replicas on a ring. */
function ringOf(replicas: readonly Replica[]): PickInput<Replica> {
  const ring = buildRing(replicas.map((_, at) => `r${at}`));
  return input(replicas, { routing: "consistentHash", ring });
}

function ownerOf(key: string): number {
  const decision = pick(ringOf([replica(0), replica(0), replica(0), replica(0)]), session(key), seededRandom(1));
  assert.ok(decision.kind === "pick");
  return decision.replica.position;
}

test("a key goes to its owner each time, and without a key the least busy one is taken", () => {
  const replicas = [replica(0), replica(0), replica(0), replica(0)];
  const owners = new Set(Array.from({ length: 10 }, (_, draw) => draw).map(() => ownerOf("session-1")));
  assert.equal(owners.size, 1);
  const decision = pick(ringOf(replicas), ANY, seededRandom(1));
  assert.equal(decision.kind === "pick" && decision.reason, "leastOngoing");
});

test("a key whose owner is full, or has a quarter more than its share, goes to the next on the ring", () => {
  const owner = ownerOf("session-1");
  for (const ongoing of [4, 3]) {
    const replicas = [replica(1), replica(1), replica(1), replica(1)];
    // 3 + 1 + 1 + 1 and this one are 7: ⌈1.25 × 7 ÷ 4⌉ = 3 each.
    replicas[owner] = replica(ongoing);
    const decision = pick(ringOf(replicas), session("session-1"), seededRandom(1));
    assert.ok(decision.kind === "pick");
    assert.equal(decision.reason, "keyNext");
    assert.notEqual(decision.replica.position, owner);
  }
});

test("a few requests of one key stay together on replicas that are otherwise idle", () => {
  const replicas = [0, 1, 2, 3].map(() => replica(0, { maxOngoingRequests: 16, isFree: true }));
  const owner = replicas[ownerOf("session-1")];
  assert.ok(owner !== undefined);
  for (let sent = 0; sent < 4; sent++) {
    const decision = pick(ringOf(replicas), session("session-1"), seededRandom(1));
    assert.ok(decision.kind === "pick" && decision.replica === owner, `request ${sent}`);
    owner.ongoing += 1;
  }
});

test("when every free replica has more than its share, one of them is taken all the same", () => {
  const replicas = [replica(4), replica(4), replica(4), replica(3)];
  const bounded = { ...ringOf(replicas), ongoingCount: 0 };
  const decision = pick(bounded, session("session-1"), seededRandom(1));
  assert.ok(decision.kind === "pick");
  assert.equal(decision.replica.position, 3);
});

test("a request waits while all are busy, while links are down, and while a start is in progress", () => {
  const random = seededRandom(1);
  assert.deepEqual(pick(input([replica(4), replica(4)]), ANY, random), { kind: "queue", reason: "allBusy" });
  const down = input([replica(0, { isFree: false })], { readyCount: 0 });
  assert.deepEqual(pick(down, ANY, random), { kind: "queue", reason: "noneReady" });
  assert.deepEqual(pick(input([], { availability: "starting" }), ANY, random), { kind: "queue", reason: "starting" });
  assert.deepEqual(pick(input([]), ANY, random), { kind: "queue", reason: "noneReady" });
});

test("a request fails at once only when the last start failed and no replica is left", () => {
  const random = seededRandom(1);
  assert.deepEqual(pick(input([], { availability: "failed" }), ANY, random), { kind: "fail", reason: "startFailed" });
  assert.equal(pick(input([replica(0)], { availability: "failed" }), ANY, random).kind, "pick");
});

test("a request for a model goes where that is, whatever the policy, unless a session key says where", () => {
  const holds = (...ids: string[]): Partial<PickCandidate> => ({
    models: { count: ids.length, has: (id) => ids.includes(id) },
  });
  const replicas = [replica(0), replica(1, holds("m")), replica(0)];
  const wish = { key: "", modelId: "m" };
  for (const routing of ["leastOngoing", "roundRobin", "weighted", "consistentHash"] as const) {
    const ring = routing === "consistentHash" ? buildRing(["r0", "r1", "r2"]) : undefined;
    const given = input(replicas, { routing, ring });
    const decision = pick(given, wish, seededRandom(1));
    assert.deepEqual(decision, { kind: "pick", replica: replicas[1], reason: "modelHeld" }, routing);
    if (ring === undefined) continue;
    const keyed = pick(given, { key: "session-1", modelId: "m" }, seededRandom(1));
    assert.equal(keyed.kind === "pick" && keyed.reason, "keyOwner");
  }
  const busy = input([replica(4, holds("m")), replica(4)]);
  assert.deepEqual(pick(busy, wish, seededRandom(1)), { kind: "queue", reason: "allBusy" });
});
