import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, type BedReplica } from "../../fake/routing-bed.ts";
import { deploymentEntry } from "../../fake/table.ts";

const HERE = { node: "n1", zone: "a" };

function counts(replicas: readonly BedReplica[]): number[] {
  return replicas.map(({ handler }) => handler.requests.length);
}

async function sendMany(bed: RoutingBed, count: number, key?: (at: number) => string): Promise<void> {
  for (let at = 0; at < count; at++) bed.send(String(at), key === undefined ? {} : { key: key(at) });
  await settle();
}

/** Answers all that wait for an answer, one round. */
async function answerAll(replicas: readonly BedReplica[]): Promise<void> {
  for (const { handler } of replicas) for (const request of handler.requests) request.answer("ok");
  await settle();
}

test("roundRobin gives each replica its turn", async () => {
  const bed = new RoutingBed();
  const replicas = await bed.serve([{ id: "r1" }, { id: "r2" }, { id: "r3" }], { routing: "roundRobin" });
  for (let round = 1; round <= 5; round++) {
    await sendMany(bed, 3);
    assert.deepEqual(counts(replicas), [round, round, round]);
    await answerAll(replicas);
  }
});

test("weighted gives each replica its share by its node's label, in small turns", async () => {
  const bed = new RoutingBed();
  const wide = { maxOngoingRequests: 100 };
  const replicas = await bed.serve(
    [
      { id: "r1", weight: 3, ...wide },
      { id: "r2", ...wide },
    ],
    { routing: "weighted" },
  );
  for (let round = 1; round <= 5; round++) {
    await sendMany(bed, 4);
    const [one = 0, other = 0] = counts(replicas);
    assert.ok(Math.abs(one - 3 * round) <= 1 && Math.abs(other - round) <= 1, `${one} and ${other}`);
  }
});

test("weighted goes by what replicas were measured to do, once that is known of all", async () => {
  const bed = new RoutingBed();
  const wide = { maxOngoingRequests: 100 };
  const replicas = await bed.serve(
    [
      { id: "r1", ...wide },
      { id: "r2", ...wide },
    ],
    { routing: "weighted" },
  );
  const [fast, slow] = replicas;
  assert.ok(fast !== undefined && slow !== undefined);
  await sendMany(bed, 80);
  await bed.clock.advanceAsync(300);
  await answerAll([fast]);
  await bed.clock.advanceAsync(600);
  await answerAll([slow]);
  bed.clock.jump(500);
  bed.send("asks for a look");
  await settle();
  await answerAll(replicas);
  const before = counts(replicas);
  for (let at = 0; at < 80; at++) bed.send(`measured ${at}`);
  await settle();
  const [one = 0, other = 0] = counts(replicas).map((count, at) => count - (before[at] ?? 0));
  assert.ok(one > 2 * other && other > 10, `${one} and ${other}`);
});

test("a replica on the same node is preferred, then one in the same zone; no free slot anywhere is left unused", async () => {
  const bed = new RoutingBed(HERE);
  const replicas = await bed.serve([
    { id: "far", node: "n3" as never, zone: "b" },
    { id: "zone", node: "n2" as never, zone: "a" },
    { id: "near", node: "n1" as never, zone: "a" },
  ]);
  await sendMany(bed, 2);
  assert.deepEqual(counts(replicas), [0, 0, 2]);
  await sendMany(bed, 2);
  assert.deepEqual(counts(replicas), [0, 2, 2]);
  await sendMany(bed, 2);
  assert.deepEqual(counts(replicas), [2, 2, 2]);
  replicas[2]?.handler.requests[0]?.answer("ok");
  await settle();
  await sendMany(bed, 1);
  assert.deepEqual(counts(replicas), [2, 2, 3]);
});

test("★ requests of one session go to the same replica, and to another only while that one is full or gone", async () => {
  const bed = new RoutingBed();
  const four = ["r1", "r2", "r3", "r4"].map((id) => ({ id, maxOngoingRequests: 8 }));
  const replicas = await bed.serve(four, { routing: "consistentHash" });
  for (let round = 0; round < 5; round++) {
    await sendMany(bed, 1, () => "session-1");
    await answerAll(replicas);
  }
  const owner = counts(replicas).indexOf(5);
  assert.ok(owner >= 0, String(counts(replicas)));
  await sendMany(bed, 12, () => "session-1");
  assert.equal(bed.metric("thornback_router_queued_requests"), 0);
  const used = counts(replicas).filter((count) => count > 0).length;
  assert.ok(used > 1, "more than the owner's slots were asked for");
  await answerAll(replicas);
  replicas[owner]?.server.goAway();
  await settle();
  await sendMany(bed, 1, () => "session-1");
  assert.equal(bed.metric("thornback_router_queued_requests"), 0);
});

test("★ when a replica joins, only about one session in N moves", async () => {
  const bed = new RoutingBed();
  const routing = { routing: "consistentHash", maxQueuedRequests: 1_000 } as const;
  const wide = { maxOngoingRequests: 1_000 };
  const [one, two, three] = await bed.serve(
    [
      { id: "r1", ...wide },
      { id: "r2", ...wide },
      { id: "r3", ...wide },
    ],
    routing,
  );
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const where = new Map<string, BedReplica>();
  await sendMany(bed, 200, (at) => `session-${at}`);
  for (const replica of [one, two, three])
    for (const { head } of replica.handler.requests) where.set(head.requestId, replica);
  await answerAll([one, two, three]);
  const joined = await bed.replica("r4", wide);
  const entries = [one, two, three, joined].map(({ entry }) => ({ kind: "replica", ...entry }) as const);
  await bed.table([deploymentEntry(routing), ...entries]);
  await sendMany(bed, 200, (at) => `session-${at}`);
  let moved = joined.handler.requests.length;
  for (const replica of [one, two, three]) {
    for (const { head } of replica.handler.requests.slice(counts([replica])[0])) {
      if (where.get(head.requestId) !== replica) moved += 1;
    }
  }
  assert.ok(moved > 0 && moved < (2 / 4) * 200, String(moved));
});
