import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, type BedReplica } from "../../fake/routing-bed.ts";

/** One replica with one slot, and a queue for so many. */
async function bedOfOne(maxQueuedRequests = 10): Promise<{ bed: RoutingBed; replica: BedReplica }> {
  const bed = new RoutingBed();
  const [replica] = await bed.serve([{ id: "r1", maxOngoingRequests: 1 }], { maxQueuedRequests });
  assert.ok(replica !== undefined);
  return { bed, replica };
}

function ids({ handler }: BedReplica): string[] {
  return handler.requests.map(({ head }) => head.requestId);
}

/** Lets the replica answer one request every 10 ms. */
async function answerMore(bed: RoutingBed, { handler }: BedReplica, count: number): Promise<void> {
  for (let more = 0; more < count; more++) {
    await bed.clock.advanceAsync(10);
    handler.requests.at(-1)?.answer("ok");
    await settle();
  }
}

test("★ more than maxQueuedRequests are refused with 503 and told when to come back, by how fast the queue drains", async () => {
  const { bed, replica } = await bedOfOne(500);
  for (let count = 0; count < 501; count++) bed.send(`first ${count}`);
  await settle();
  await answerMore(bed, replica, 100);
  for (let count = 0; count < 101; count++) bed.send(`later ${count}`);
  await settle();
  const [error] = bed.errors;
  assert.equal(bed.errors.length, 1);
  assert.equal(error?.code, "queue_full");
  // 500 wait, and 100 a second end: five seconds.
  assert.equal(error?.details.retryAfterSeconds, 5);
});

test("a request whose turn would come after its deadline is refused at once and never computed", async () => {
  const { bed, replica } = await bedOfOne(500);
  for (let count = 0; count < 300; count++) bed.send(`first ${count}`, { deadlineAt: 60_000 });
  await settle();
  await answerMore(bed, replica, 100);
  const now = bed.clock.now();
  bed.send("hopeless", { deadlineAt: now + 1_900 });
  bed.send("in time", { deadlineAt: now + 2_500 });
  await settle();
  assert.deepEqual(bed.ends.slice(100), ["hopeless deadline_exceeded"]);
  await answerMore(bed, replica, 201);
  assert.ok(bed.ends.includes("in time ok"));
  assert.ok(!ids(replica).includes("hopeless"));
});

test("a queue that has just begun to fill refuses nobody for being late", async () => {
  const { bed, replica } = await bedOfOne(500);
  for (let count = 0; count < 30; count++) {
    bed.send(`slow ${count}`);
    await settle();
    await answerMore(bed, replica, 1);
    await bed.clock.advanceAsync(90);
  }
  const now = bed.clock.now();
  for (let count = 0; count < 100; count++) bed.send(`burst ${count}`, { deadlineAt: now + 2_000 });
  await settle();
  assert.deepEqual(bed.errors, []);
});

test("higher priorities are served first, and each in order of arrival", async () => {
  const { bed, replica } = await bedOfOne();
  bed.send("running");
  await settle();
  for (const [id, priority] of [
    ["a", 0],
    ["b", 3],
    ["c", -2],
    ["d", 3],
    ["e", 0],
  ] as const)
    bed.send(id, { priority });
  await answerMore(bed, replica, 6);
  assert.deepEqual(ids(replica), ["running", "b", "d", "a", "e", "c"]);
});

test("in a full queue a higher priority takes the place of the newest of the lowest", async () => {
  const { bed, replica } = await bedOfOne(3);
  bed.send("running");
  await settle();
  for (const [id, priority] of [
    ["a", 0],
    ["b", -1],
    ["c", -1],
    ["d", 5],
    ["e", -1],
  ] as const)
    bed.send(id, { priority });
  await settle();
  assert.deepEqual(bed.ends, ["c queue_full", "e queue_full"]);
  assert.ok((bed.errors[0]?.details.retryAfterSeconds ?? 0) >= 1);
  await answerMore(bed, replica, 4);
  assert.deepEqual(ids(replica), ["running", "d", "a", "b"]);
  assert.equal(bed.metric("thornback_router_refused_total"), 2);
});

test("a request that is due before the deadlines are looked at is not handed to a replica any more", async () => {
  const { bed, replica } = await bedOfOne();
  bed.send("running");
  bed.send("late", { deadlineAt: bed.clock.now() + 5 });
  await settle();
  bed.clock.jump(6);
  replica.handler.requests[0]?.answer("ok");
  await settle();
  assert.deepEqual(bed.ends, ["running ok", "late deadline_exceeded"]);
  assert.deepEqual(ids(replica), ["running"]);
});
