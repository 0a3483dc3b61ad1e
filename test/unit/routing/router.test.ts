import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../core/cancellation.ts";
import { CancelledError, ReplicaRefusedError, ServeError, type ErrorCode } from "../../../core/error.ts";
import { isStream, type Body } from "../../../proto/body.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, routerRequest, type BedReplica } from "../../fake/routing-bed.ts";
import { DEPLOYMENT, deploymentEntry } from "../../fake/table.ts";

const DEPLOYMENT_ENTRY = deploymentEntry();
/** One for small frames, one for large bodies. */
const CONNECTIONS_OF_LINK = 2;

/** A bed with one replica, which has two slots, in its table. */
async function bedOfOne(): Promise<{ bed: RoutingBed; replica: BedReplica }> {
  const bed = new RoutingBed();
  const replica = await bed.replica("r1");
  await bed.table([DEPLOYMENT_ENTRY, { kind: "replica", ...replica.entry }]);
  return { bed, replica };
}

/** Sends and notes how it ends. */
function send(bed: RoutingBed, id: string, ends: string[], more: Parameters<typeof routerRequest>[1] = {}): void {
  bed.routers.send(DEPLOYMENT, routerRequest(id, more)).then(
    ({ answer, version }) => ends.push(`${id} ${textOf(answer.body)} ${version}`),
    (error: ServeError) => ends.push(`${id} ${error.code}`),
  );
}

/** A body that came whole, as text. */
function textOf(body: Body | undefined): string {
  assert.ok(body !== undefined && !isStream(body));
  return Buffer.concat(body).toString();
}

function ids(replica: BedReplica): string[] {
  return replica.handler.requests.map((request) => request.head.requestId);
}

test("an answer comes back with the version that gave it", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  send(bed, "a", ends, { body: [Buffer.from("in")] });
  await settle();
  const [request] = replica.handler.requests;
  assert.equal(textOf(request?.body), "in");
  assert.equal(request?.head.timeoutMs, 10_000);
  request?.answer("out");
  await settle();
  assert.deepEqual(ends, ["a out v1"]);
});

test("no replica gets more than its slots; the rest waits in order of arrival", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  for (const id of ["a", "b", "c", "d"]) send(bed, id, ends);
  await settle();
  assert.deepEqual(ids(replica), ["a", "b"]);
  replica.handler.requests[1]?.answer("x");
  await settle();
  assert.deepEqual(ids(replica), ["a", "b", "c"]);
});

test("a full queue refuses at once and says when to come back", async () => {
  const { bed } = await bedOfOne();
  const errors: ServeError[] = [];
  for (let count = 0; count < 13; count++) {
    bed.routers.send(DEPLOYMENT, routerRequest(String(count))).catch((error: ServeError) => errors.push(error));
  }
  await settle();
  assert.deepEqual(
    errors.map((error) => error.code),
    ["queue_full"],
  );
  assert.ok((errors[0]?.details.retryAfterSeconds ?? 0) >= 1);
});

test("a refused request returns to its place, and the replica is left alone for a while", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  replica.handler.refusal = new ReplicaRefusedError("replica_overloaded", "full");
  for (const id of ["a", "b", "c"]) send(bed, id, ends);
  await settle();
  replica.handler.refusal = undefined;
  assert.deepEqual(ids(replica), []);
  await bed.clock.advanceAsync(10);
  assert.deepEqual(ids(replica), ["a", "b"]);
  assert.deepEqual(ends, []);
});

test("a replica that drains gets nothing new, keeps what it has, and its queue moves to another", async () => {
  const { bed, replica } = await bedOfOne();
  const other = await bed.replica("r2");
  const ends: string[] = [];
  for (const id of ["a", "b", "c"]) send(bed, id, ends);
  await settle();
  replica.server.goAway();
  await settle();
  replica.handler.requests[0]?.answer("x");
  await settle();
  assert.deepEqual(ids(replica), ["a", "b"]);
  await bed.table([DEPLOYMENT_ENTRY, { kind: "replica", ...replica.entry }, { kind: "replica", ...other.entry }]);
  assert.deepEqual(ids(other), ["c"]);
  replica.handler.requests[1]?.answer("y");
  await settle();
  assert.deepEqual(ends, ["a x v1", "b y v1"]);
});

test("a replica removed from the table finishes what it has; then its link closes", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  send(bed, "a", ends);
  await settle();
  await bed.table([DEPLOYMENT_ENTRY]);
  send(bed, "b", ends);
  await settle();
  assert.deepEqual(ids(replica), ["a"]);
  replica.handler.requests[0]?.answer("x");
  await settle();
  assert.deepEqual(ends, ["a x v1"]);
  await bed.table([DEPLOYMENT_ENTRY, { kind: "replica", ...replica.entry }]);
  assert.deepEqual(ids(replica), ["a", "b"]);
  assert.equal(bed.network.connects, 2 * CONNECTIONS_OF_LINK);
});

for (const [isIdempotent, outcome] of [
  [false, "a replica_lost"],
  [true, "a done v1"],
] as const) {
  test(`when a replica is lost, ${isIdempotent ? "an idempotent request goes to another" : "a request that may have begun fails at once"}`, async () => {
    const { bed, replica } = await bedOfOne();
    const ends: string[] = [];
    send(bed, "a", ends, { isIdempotent });
    await settle();
    bed.network.breakAll();
    await settle();
    const other = await bed.replica("r2");
    await bed.table([DEPLOYMENT_ENTRY, { kind: "replica", ...replica.entry }, { kind: "replica", ...other.entry }]);
    other.handler.requests[0]?.answer("done");
    await settle();
    assert.deepEqual(ends, [outcome]);
    assert.equal(replica.handler.requests[0]?.cancellation.reason?.code, "cancelled");
  });
}

test("a link that broke is made again by itself, with pauses", async () => {
  const { bed, replica } = await bedOfOne();
  bed.network.refuses = true;
  bed.network.breakAll();
  await settle();
  const ends: string[] = [];
  send(bed, "a", ends);
  await bed.clock.advanceAsync(3_000);
  const tries = bed.network.connects;
  assert.ok(tries > 3 && tries < 20, String(tries));
  bed.network.refuses = false;
  await bed.clock.advanceAsync(2_000);
  assert.deepEqual(ids(replica), ["a"]);
});

test("a replica that ends waits until its routers have every answer; its link is not made again", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  send(bed, "a", ends);
  await settle();
  let hasClosed = false;
  const closed = replica.server.close().then(() => (hasClosed = true));
  await settle();
  assert.equal(hasClosed, false);
  replica.handler.requests[0]?.answer("x");
  await closed;
  assert.deepEqual(ends, ["a x v1"]);
  await bed.clock.advanceAsync(5_000);
  assert.equal(bed.network.connects, CONNECTIONS_OF_LINK);
});

test("another process on a replica's port is not taken for it", async () => {
  const bed = new RoutingBed();
  const stranger = await bed.replica("stranger");
  const entry = { ...stranger.entry, id: "r1" as typeof stranger.entry.id };
  await bed.table([DEPLOYMENT_ENTRY, { kind: "replica", ...entry }]);
  const ends: string[] = [];
  send(bed, "a", ends);
  await bed.clock.advanceAsync(20_000);
  assert.deepEqual(ends, ["a deadline_exceeded"]);
  assert.deepEqual(ids(stranger), []);
});

test("a deadline ends a queued request, and cancels an ongoing one whose slot stays taken until the replica is done", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  send(bed, "a", ends, { deadlineAt: 1_100 });
  send(bed, "b", ends);
  send(bed, "c", ends, { deadlineAt: 1_200 });
  await settle();
  await bed.clock.advanceAsync(150);
  assert.deepEqual(ends, ["a deadline_exceeded"]);
  const [held] = replica.handler.requests;
  assert.equal(held?.cancellation.reason?.code, "cancelled");
  await bed.clock.advanceAsync(100);
  assert.deepEqual(ends, ["a deadline_exceeded", "c deadline_exceeded"]);
  send(bed, "d", ends);
  await settle();
  assert.deepEqual(ids(replica), ["a", "b"]);
  held?.fail(new CancelledError("stopped"));
  await settle();
  assert.deepEqual(ids(replica), ["a", "b", "d"]);
});

test("an answer that comes after the deadline is not given out, though no timer has noticed yet", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  send(bed, "a", ends, { deadlineAt: bed.clock.now() + 100 });
  await settle();
  bed.clock.jump(101);
  replica.handler.requests[0]?.answer("x");
  await settle();
  assert.deepEqual(ends, ["a deadline_exceeded"]);
});

test("a cancelled request ends at once, queued or ongoing, and one cancelled before it came never begins", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  const cancellations = ["a", "b", "c", "d"].map(() => new Cancellation());
  const [a, , c, d] = cancellations;
  d?.cancel(new CancelledError("gone"));
  for (const [at, id] of ["a", "b", "c", "d"].entries()) send(bed, id, ends, { cancellation: cancellations[at] });
  await settle();
  c?.cancel(new CancelledError("gone"));
  a?.cancel(new CancelledError("gone"));
  await settle();
  assert.deepEqual(ends.toSorted(), ["a cancelled", "c cancelled", "d cancelled"]);
  assert.equal(replica.handler.requests[0]?.cancellation.reason?.code, "cancelled");
  assert.equal(replica.handler.requests[1]?.cancellation.reason, undefined);
});

test("requests wait for a start in progress, and fail at once when it has failed", async () => {
  const bed = new RoutingBed();
  const ends: string[] = [];
  await bed.table([deploymentEntry({ availability: "starting" })]);
  send(bed, "a", ends);
  await settle();
  assert.deepEqual(ends, []);
  await bed.table([deploymentEntry({ availability: "failed", reason: "app.ts:3: no such file" })]);
  send(bed, "b", ends);
  await settle();
  assert.deepEqual(ends, ["a deployment_unavailable", "b deployment_unavailable"]);
});

test("a deployment that is deleted fails what waits, and finishes what is ongoing", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  for (const id of ["a", "b", "c"]) send(bed, id, ends);
  await settle();
  await bed.table([]);
  for (const request of replica.handler.requests) request.answer("x");
  await settle();
  send(bed, "d", ends);
  await settle();
  assert.deepEqual(ends, ["c deployment_not_found", "a x v1", "b x v1", "d deployment_not_found"]);
});

test("what a replica of a deleted deployment loses or refuses ends at once: there is no other to wait for", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  for (const id of ["a", "b"]) send(bed, id, ends, { isIdempotent: true });
  await settle();
  await bed.table([]);
  replica.handler.requests[0]?.fail(new ReplicaRefusedError("replica_draining", "draining"));
  await settle();
  bed.network.breakAll();
  await settle();
  assert.deepEqual(ends, ["a deployment_not_found", "b deployment_not_found"]);
});

test("a replica whose process was restarted gets a new link under its old id", async () => {
  const { bed, replica } = await bedOfOne();
  const again = await bed.replica("r1");
  await bed.table([DEPLOYMENT_ENTRY, { kind: "replica", ...again.entry }]);
  const ends: string[] = [];
  send(bed, "a", ends);
  await settle();
  assert.deepEqual([ids(replica), ids(again)], [[], ["a"]]);
});

test("a changed number of slots holds at once, over the same link", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  for (const id of ["a", "b", "c"]) send(bed, id, ends);
  await settle();
  await bed.table([DEPLOYMENT_ENTRY, { kind: "replica", ...replica.entry, maxOngoingRequests: 3 }]);
  assert.deepEqual(ids(replica), ["a", "b", "c"]);
  assert.equal(bed.network.connects, CONNECTIONS_OF_LINK);
});

test("queue length, wait and retries are counted; the wait once, up to the first replica", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  for (const id of ["a", "b", "c"]) send(bed, id, ends);
  await settle();
  const value = (name: string): readonly number[] | undefined =>
    bed.metrics.samples().find((sample) => sample.name === name)?.values;
  assert.deepEqual(value("thornback_router_queued_requests"), [1]);
  await bed.clock.advanceAsync(400);
  replica.handler.requests[0]?.fail(new ReplicaRefusedError("replica_overloaded", "full"));
  await settle();
  assert.deepEqual(value("thornback_router_retries_total"), [1]);
  await bed.clock.advanceAsync(200);
  assert.deepEqual(ids(replica), ["a", "b", "a"]);
  const waits = value("thornback_router_queue_seconds") ?? [];
  assert.deepEqual([waits.slice(0, -1).reduce((sum, count) => sum + count), waits.at(-1)], [2, 0]);
});

test("errors of the handler come back as they are", async () => {
  const { bed, replica } = await bedOfOne();
  const codes: ErrorCode[] = ["handler_failed", "invalid_request"];
  const ends: string[] = [];
  for (const code of codes) send(bed, code, ends);
  await settle();
  for (const [at, code] of codes.entries()) replica.handler.requests[at]?.fail(new ServeError(code, "x"));
  await settle();
  assert.deepEqual(ends, ["handler_failed handler_failed", "invalid_request invalid_request"]);
});

test("after all requests have ended a closed router leaves no timer", async () => {
  const { bed, replica } = await bedOfOne();
  const ends: string[] = [];
  send(bed, "a", ends);
  await settle();
  replica.handler.requests[0]?.answer("x");
  await settle();
  bed.routers.close();
  await replica.server.close();
  assert.equal(bed.clock.pendingCount, 0);
});
