import assert from "node:assert/strict";
import { test } from "node:test";
import { InternalError } from "../../../core/error.ts";
import { PING_AFTER_MS, PING_SILENT_MS } from "../../../core/limits.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, type BedReplica } from "../../fake/routing-bed.ts";
import { deploymentEntry } from "../../fake/table.ts";

type Served = Awaited<ReturnType<RoutingBed["serve"]>>[number];

/** Two replicas with so many slots each. */
async function bedOfTwo(maxOngoingRequests = 4): Promise<{ bed: RoutingBed; bad: Served; good: Served }> {
  const bed = new RoutingBed();
  const [bad, good] = await bed.serve([
    { id: "bad", maxOngoingRequests },
    { id: "good", maxOngoingRequests },
  ]);
  assert.ok(bad !== undefined && good !== undefined);
  return { bed, bad, good };
}

function open({ handler }: BedReplica): BedReplica["handler"]["requests"] {
  return handler.requests.slice(-handler.ongoing || handler.requests.length);
}

/** Sends until the bad replica has failed so many requests in a row; the good one answers. */
async function failInARow(bed: RoutingBed, { bad, good }: { bad: Served; good: Served }, count: number): Promise<void> {
  for (let failed = 0; failed < count;) {
    bed.send("x");
    await bed.clock.advanceAsync(20);
    if (bad.handler.ongoing > 0) failed += 1;
    for (const request of open(bad)) request.fail(new InternalError("broken"));
    for (const request of open(good)) request.answer("ok");
    await settle();
  }
}

test("a replica that fails five times in a row gets nothing for a second, then one request at a time", async () => {
  const { bed, bad, good } = await bedOfTwo();
  await failInARow(bed, { bad, good }, 5);
  assert.equal(bed.metric("thornback_router_ejected_replicas"), 1);
  const before = bad.handler.requests.length;
  for (let count = 0; count < 4; count++) bed.send(`out ${count}`);
  await settle();
  assert.equal(bad.handler.requests.length, before);
  await bed.clock.advanceAsync(1_000);
  for (let count = 0; count < 4; count++) bed.send(`probing ${count}`);
  await settle();
  assert.equal(bad.handler.requests.length, before + 1);
  bad.handler.requests.at(-1)?.answer("well again");
  await settle();
  assert.equal(bad.handler.requests.length, before + 4);
  assert.equal(bed.metric("thornback_router_ejected_replicas"), 0);
});

test("a probe that fails leaves it out for twice as long", async () => {
  const { bed, bad, good } = await bedOfTwo();
  await failInARow(bed, { bad, good }, 5);
  await bed.clock.advanceAsync(1_000);
  await failInARow(bed, { bad, good }, 1);
  const before = bad.handler.requests.length;
  await bed.clock.advanceAsync(1_900);
  for (let count = 0; count < 4; count++) bed.send(`out ${count}`);
  await settle();
  assert.equal(bad.handler.requests.length, before);
  assert.equal(bed.metric("thornback_router_ejections_total"), 2);
});

test("a silent replica is left out at once, and what does no harm is sent to another; the rest waits for it", async () => {
  const { bed, bad, good } = await bedOfTwo();
  for (const socket of bad.sockets) socket.isHeld = true;
  for (let count = 0; count < 8; count++) bed.send(String(count), { isIdempotent: count % 2 === 0 });
  await settle();
  assert.deepEqual([bad.handler.requests.length, good.handler.requests.length], [0, 4]);
  const first = good.handler.requests.map(({ head }) => Number(head.requestId));
  const stuck = [0, 1, 2, 3, 4, 5, 6, 7].filter((id) => !first.includes(id));
  await bed.clock.advanceAsync(PING_AFTER_MS - 50);
  for (const request of open(good)) request.answer("ok");
  await settle();
  await bed.clock.advanceAsync(2 * PING_AFTER_MS + PING_SILENT_MS + 300);
  const again = good.handler.requests.slice(4).map(({ head }) => Number(head.requestId));
  assert.deepEqual(
    again,
    stuck.filter((id) => id % 2 === 0),
  );
  assert.equal(bed.metric("thornback_router_ejected_replicas"), 1);
  await bed.clock.advanceAsync(12_000);
  const late = bed.ends.filter((end) => end.endsWith("deadline_exceeded")).length;
  assert.equal(late, stuck.length);
});

test("a replica that became far slower than the others is left out; its requests go on", async () => {
  const { bed, bad, good } = await bedOfTwo();
  for (let round = 0; round < 12; round++) {
    for (let count = 0; count < 4; count++) bed.send("x", { deadlineAt: 1_000_000 });
    await bed.clock.advanceAsync(20);
    for (const request of open(good)) request.answer("ok");
    await bed.clock.advanceAsync(280);
    for (const request of open(bad)) request.answer("ok");
    await settle();
  }
  for (let round = 0; round < 40; round++) {
    bed.send("more", { deadlineAt: 1_000_000 });
    await bed.clock.advanceAsync(50);
    for (const request of open(good)) request.answer("ok");
    await settle();
  }
  assert.equal(bed.metric("thornback_router_ejections_total"), 1);
  assert.ok(bed.log.lines.some((line) => JSON.stringify(line).includes('"slow"')));
});

test("the only replica is never left out, however it fails", async () => {
  const bed = new RoutingBed();
  const [replica] = await bed.serve([{ id: "r1" }]);
  for (let count = 0; count < 20; count++) {
    bed.send(String(count));
    await bed.clock.advanceAsync(20);
    replica?.handler.requests.at(-1)?.fail(new InternalError("broken"));
    await settle();
  }
  assert.equal(replica?.handler.requests.length, 20);
  assert.equal(bed.metric("thornback_router_ejections_total"), 0);
});

test("when replicas leave the table, those that were left out return as far as half would be exceeded", async () => {
  const { bed, bad, good } = await bedOfTwo();
  await failInARow(bed, { bad, good }, 5);
  await bed.table([deploymentEntry(), { kind: "replica", ...bad.entry }]);
  assert.equal(bed.metric("thornback_router_ejected_replicas"), 0);
  const before = bad.handler.requests.length;
  bed.send("y");
  await settle();
  assert.equal(bad.handler.requests.length, before + 1);
});

test("requests are not retried beyond the budget: those over it fail as their replica did", async () => {
  const { bed, bad } = await bedOfTwo(30);
  const rounds = 4;
  for (let round = 0; round < rounds; round++) {
    for (let count = 0; count < 40; count++) bed.send(`${round} ${count}`, { isIdempotent: true });
    await settle();
    bed.network.breakAll();
    await bed.clock.advanceAsync(300);
  }
  const retries = bed.metric("thornback_router_retries_total");
  // 160 requests: a fifth of them, and the 30 slots of one replica.
  assert.ok(retries > 30 && retries <= 32 + 30, String(retries));
  assert.ok(bed.ends.some((end) => end.endsWith("replica_lost")));
  assert.ok(bad.handler.requests.length > 0);
});

test("after a router is closed an ejection leaves no timer", async () => {
  const { bed, bad, good } = await bedOfTwo();
  await failInARow(bed, { bad, good }, 5);
  bed.routers.close();
  await Promise.all([bad.server.close(), good.server.close()]);
  assert.equal(bed.clock.pendingCount, 0);
});
