import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../core/cancellation.ts";
import { CancelledError, DeploymentUnavailableError, HandlerError } from "../../../core/error.ts";
import type { DeploymentId } from "../../../core/ids.ts";
import type { DeploymentEntry, TableEntry } from "../../../core/table.ts";
import { BodyStream, isStream } from "../../../proto/body.ts";
import { gatherBody } from "../../fake/gather-body.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, routerRequest, type BedReplica } from "../../fake/routing-bed.ts";
import { DEPLOYMENT, deploymentEntry } from "../../fake/table.ts";

const SMALL = "app/Small" as DeploymentId;

/** The bed's deployment with one replica of one slot, or none, and a fallback with one replica. */
async function bedOfTwo(
  model: Partial<DeploymentEntry> = {},
  { hasReplica = true } = {},
): Promise<{ bed: RoutingBed; big: BedReplica; small: BedReplica; lose: () => Promise<void> }> {
  const bed = new RoutingBed();
  const big = await bed.replica("big", { maxOngoingRequests: 1 });
  const small = await bed.replica("small", { deployment: SMALL, maxOngoingRequests: 8 });
  const table = (more: Partial<DeploymentEntry>): TableEntry[] => [
    deploymentEntry({ fallback: SMALL, maxQueuedRequests: 1, ...model, ...more }),
    deploymentEntry({ id: SMALL }),
    { kind: "replica", ...small.entry },
  ];
  await bed.table([...table({}), ...(hasReplica ? [{ kind: "replica" as const, ...big.entry }] : [])]);
  bed.routers.warm(SMALL);
  await settle();
  return { bed, big, small, lose: () => bed.table(table({ availability: "starting" })) };
}

function ids({ handler }: BedReplica): string[] {
  return handler.requests.map(({ head }) => head.requestId);
}

test("what does not fit into the queue is answered by the fallback, and says so", async () => {
  const { bed, big, small } = await bedOfTwo();
  bed.send("runs");
  bed.send("waits");
  const routed = bed.routers.send(DEPLOYMENT, routerRequest("third", { body: [Buffer.from("asked")] }));
  await settle();
  const [request] = small.handler.requests;
  assert.equal(Buffer.concat(await gatherBody(request?.body ?? [], 100)).toString(), "asked");
  request?.answer("small");
  const { answer, degradedBy } = await routed;
  assert.deepEqual([degradedBy, isStream(answer.body) ? "" : Buffer.concat(answer.body).toString()], [SMALL, "small"]);
  assert.deepEqual(ids(big), ["runs"]);
  assert.equal(bed.metric("thornback_degraded_requests_total"), 1);
  assert.equal(bed.metric("thornback_router_refused_total"), 1);
});

test("what its own deployment answers is not marked", async () => {
  const { bed, big } = await bedOfTwo();
  const routed = bed.routers.send(DEPLOYMENT, routerRequest("one"));
  await settle();
  big.handler.requests[0]?.answer("big");
  assert.equal((await routed).degradedBy, undefined);
});

test("one of a higher priority pushes another out of the queue and to the fallback", async () => {
  const { bed, small } = await bedOfTwo();
  bed.send("runs");
  bed.send("low", { priority: -1 });
  bed.send("high", { priority: 1 });
  await settle();
  assert.deepEqual(ids(small), ["low"]);
});

test("a deployment whose start failed is stood in for", async () => {
  const { bed, small } = await bedOfTwo({ availability: "failed", reason: "it threw" }, { hasReplica: false });
  bed.send("one");
  await settle();
  small.handler.requests[0]?.answer("small");
  await settle();
  assert.deepEqual(bed.ends, ["one small"]);
});

test("requests that wait for a lost replica go to the fallback as soon as the table says that it is gone", async () => {
  const { bed, big, small, lose } = await bedOfTwo();
  bed.send("runs");
  bed.send("waits");
  await settle();
  assert.deepEqual(ids(small), []);
  await lose();
  bed.send("comes");
  await settle();
  assert.deepEqual([ids(big), ids(small)], [["runs"], ["waits", "comes"]]);
});

test("one whose body was read in part waits for the start, and holds up nobody who may go to the fallback", async () => {
  const { bed, big, small, lose } = await bedOfTwo({ maxQueuedRequests: 10 });
  const body = new BodyStream({ onConsumed: () => {}, onCancel: () => {} }, 8);
  body.write(Buffer.from("byte"));
  body.receive({ onData: () => {}, onEnd: () => {}, onError: () => {} });
  bed.send("runs");
  bed.send("read", { body });
  for (const id of ["a", "b"]) bed.send(id);
  await settle();
  await lose();
  bed.send("c");
  await settle();
  assert.deepEqual([ids(big), ids(small)], [["runs"], ["a", "b", "c"]]);
  assert.deepEqual(bed.ends, []);
});

test("a deployment that requests start is waited for", async () => {
  const { bed, small } = await bedOfTwo({ availability: "starting", startsOnRequest: true }, { hasReplica: false });
  bed.send("one");
  await settle();
  assert.deepEqual([ids(small), bed.ends], [[], []]);
  assert.equal(bed.metric("thornback_router_queued_requests"), 1);
});

test("an error of a handler stays what it is, one of a call that it made too", async () => {
  const { bed, big, small } = await bedOfTwo();
  bed.send("failed");
  await settle();
  big.handler.requests[0]?.fail(new HandlerError("no"));
  await settle();
  bed.send("nested");
  await settle();
  big.handler.requests[1]?.fail(new DeploymentUnavailableError("app/Other has no replica"));
  await settle();
  assert.deepEqual(bed.ends, ["failed handler_failed", "nested deployment_unavailable"]);
  assert.deepEqual(ids(small), []);
});

test("a long body that nobody has touched goes to the fallback whole", async () => {
  const { bed, small } = await bedOfTwo();
  bed.send("runs");
  bed.send("waits");
  const body = new BodyStream({ onConsumed: () => {}, onCancel: () => {} }, 5);
  bed.send("long", { body });
  body.write(Buffer.from("bytes"));
  body.end();
  await settle();
  const gathered = gatherBody(small.handler.requests[0]?.body ?? [], 100);
  await settle();
  assert.equal(Buffer.concat(await gathered).toString(), "bytes");
});

test("whoever waits for the fallback still has a deadline and can go", async () => {
  const { bed, small } = await bedOfTwo({ availability: "failed" }, { hasReplica: false });
  const cancellation = new Cancellation();
  bed.send("goes", { cancellation });
  bed.send("late", { deadlineAt: bed.clock.now() + 100 });
  await settle();
  cancellation.cancel(new CancelledError("the client is gone"));
  await bed.clock.advanceAsync(200);
  assert.deepEqual(bed.ends, ["goes cancelled", "late deadline_exceeded"]);
  assert.ok(small.handler.requests.every((request) => request.cancellation.reason !== undefined));
});

test("a fallback that cannot either has its own, and the answer names the one that gave it", async () => {
  const { bed, small } = await bedOfTwo();
  const middle = "app/Middle" as DeploymentId;
  await bed.table([
    deploymentEntry({ fallback: middle, availability: "failed" }),
    deploymentEntry({ id: middle, fallback: SMALL, availability: "failed" }),
    deploymentEntry({ id: SMALL }),
    { kind: "replica", ...small.entry },
  ]);
  const routed = bed.routers.send(DEPLOYMENT, routerRequest("one"));
  await settle();
  small.handler.requests[0]?.answer("small");
  assert.equal((await routed).degradedBy, SMALL);
  assert.equal(bed.metric("thornback_degraded_requests_total"), 2);
});

test("a circle in the table ends with the error of the deployment", async () => {
  const { bed } = await bedOfTwo();
  await bed.table([
    deploymentEntry({ fallback: SMALL, maxQueuedRequests: 0, availability: "starting", startsOnRequest: true }),
    deploymentEntry({
      id: SMALL,
      fallback: DEPLOYMENT,
      maxQueuedRequests: 0,
      availability: "starting",
      startsOnRequest: true,
    }),
  ]);
  bed.send("one");
  await settle();
  assert.deepEqual(bed.ends, ["one queue_full"]);
});

test("the fallback may be sent a request twice only where it says so itself", async () => {
  const { bed, small } = await bedOfTwo({ availability: "failed", idempotent: true }, { hasReplica: false });
  bed.send("one", { isIdempotent: true });
  await settle();
  assert.equal(small.handler.requests.length, 1);
  bed.network.breakAll();
  await settle();
  assert.deepEqual(bed.ends, ["one replica_lost"]);
});

test("it is logged once a second, with how many there were", async () => {
  const { bed } = await bedOfTwo({ availability: "failed" }, { hasReplica: false });
  const lines = (): unknown[] =>
    bed.log.lines.filter(({ level }) => level === "warn").map(({ fields }) => fields["count"]);
  for (let count = 0; count < 5; count++) bed.send(`now ${count}`);
  await settle();
  assert.deepEqual(lines(), [1]);
  await bed.clock.advanceAsync(1_000);
  bed.send("later");
  await settle();
  assert.deepEqual(lines(), [1, 5]);
});

test("what waits goes to the fallback as soon as that can take it, although its own deployment's entry stays as it is", async () => {
  const bed = new RoutingBed();
  const small = await bed.replica("small", { deployment: SMALL, maxOngoingRequests: 8 });
  const starting = { availability: "starting" as const };
  await bed.table([deploymentEntry({ fallback: SMALL, ...starting }), deploymentEntry({ id: SMALL, ...starting })]);
  bed.send("waits");
  await settle();
  assert.deepEqual(ids(small), []);
  const { epoch, version } = bed.routers.view ?? { epoch: 0, version: 0 };
  const upserts: TableEntry[] = [deploymentEntry({ id: SMALL }), { kind: "replica", ...small.entry }];
  bed.routers.apply({ epoch, version: version + 1, kind: "delta", baseVersion: version, upserts, removals: [] });
  await settle();
  assert.deepEqual(ids(small), ["waits"]);
});
