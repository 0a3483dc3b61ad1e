import assert from "node:assert/strict";
import { test } from "node:test";
import { ReplicaRefusedError } from "../../../core/error.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import { seededRandom } from "../../../core/random.ts";
import { Routers } from "../../../routing/routers.ts";
import type { Actor } from "../../../worker/replica/actor.ts";
import { Replica } from "../../../worker/replica/replica.ts";
import { serveReplica } from "../../../worker/replica/replica-server.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, routerRequest, type BedReplica } from "../../fake/routing-bed.ts";
import { ScriptedHandler } from "../../fake/scripted-handler.ts";
import { DEPLOYMENT, deploymentEntry, replicaEntry, snapshot } from "../../fake/table.ts";

function ids({ handler }: BedReplica): string[] {
  return handler.requests.map(({ head }) => head.requestId);
}

test("★ a replica never has more than maxOngoingRequests, however many routers send to it at once", async () => {
  const { clock, network, log, metrics } = new RoutingBed();
  const held = new ScriptedHandler();
  const identity = {
    application: "app",
    deployment: "Model",
    deploymentId: DEPLOYMENT,
    replica: "r1",
    version: "v1",
    node: "n1",
  };
  const actor: Actor = {
    answer: (head, body, { cancellation }) => held.handle(head, body, cancellation),
    goAway: () => {},
  };
  const replica = new Replica({ clock, random: seededRandom(1), log, metrics, identity, maxOngoingRequests: 3, actor });
  const defer = queueMicrotask;
  const replicaId = replicaEntry("r1").id;
  const listen = { address: { host: "h", port: 0 }, replicaId, callSecret: "secret" };
  const { address } = await serveReplica({ clock, log, network, defer, handler: replica, ...listen });
  const ends: string[] = [];
  const routers = [1, 2, 3].map((seed) => {
    const made = new Routers(
      { clock, random: seededRandom(seed), log, metrics: createMetrics(), network, defer },
      "proxy",
    );
    made.apply(snapshot(1, [deploymentEntry(), replicaEntry("r1", { address, maxOngoingRequests: 3 })]));
    made.warm(DEPLOYMENT);
    return made;
  });
  await settle();
  for (let count = 0; count < 8; count++) {
    for (const [at, each] of routers.entries()) {
      const request = routerRequest(`${at}-${count}`);
      each.send(DEPLOYMENT, request).then(
        () => ends.push(request.head.requestId),
        (error: Error) => ends.push(error.message),
      );
    }
  }
  let most = 0;
  for (let round = 0; round < 200 && ends.length < 24; round++) {
    await clock.advanceAsync(25);
    most = Math.max(most, held.ongoing);
    for (const request of held.requests) request.answer("ok");
    await settle();
  }
  assert.equal(most, 3);
  assert.equal(new Set(ends).size, 24);
  assert.equal(held.requests.length, 24);
});

test("★ of two replicas of which one is blocked the other gets all new requests", async () => {
  const bed = new RoutingBed();
  const [blocked, free] = await bed.serve([{ id: "r1" }, { id: "r2" }]);
  assert.ok(blocked !== undefined && free !== undefined);
  for (let count = 0; count < 4; count++) bed.send(`first ${count}`);
  await settle();
  assert.deepEqual([blocked.handler.ongoing, free.handler.ongoing], [2, 2]);
  for (let count = 0; count < 10; count++) {
    bed.send(`later ${count}`);
    await bed.clock.advanceAsync(5);
    for (const request of free.handler.requests) request.answer("ok");
    await settle();
  }
  assert.deepEqual([blocked.handler.requests.length, free.handler.requests.length], [2, 12]);
});

test("★ the requests of one caller are served in order, even after replicas refused them", async () => {
  const bed = new RoutingBed();
  const [one, other] = await bed.serve([
    { id: "r1", maxOngoingRequests: 3 },
    { id: "r2", maxOngoingRequests: 3 },
  ]);
  assert.ok(one !== undefined && other !== undefined);
  const refusal = new ReplicaRefusedError("replica_overloaded", "full");
  for (const { handler } of [one, other]) handler.refusal = refusal;
  for (const id of ["a", "b", "c", "d", "e", "f"]) bed.send(id);
  await settle();
  await bed.clock.advanceAsync(30);
  one.handler.refusal = undefined;
  for (let round = 0; round < 20; round++) {
    await bed.clock.advanceAsync(50);
    one.handler.requests.at(-1)?.answer("ok");
    for (const request of one.handler.requests) request.answer("ok");
    await settle();
  }
  assert.deepEqual(ids(one), ["a", "b", "c", "d", "e", "f"]);
});

test("★ a replica that dies while a request is on its way is left at once, and the request goes to another", async () => {
  const bed = new RoutingBed();
  const [dead, alive] = await bed.serve([{ id: "r1" }, { id: "r2" }]);
  assert.ok(dead !== undefined && alive !== undefined);
  for (let count = 0; count < 2; count++) bed.send(`a${count}`, { isIdempotent: true });
  await settle();
  const lost = ids(dead);
  for (const socket of dead.sockets) socket.destroy(new Error("read ECONNRESET"));
  bed.network.refuses = true;
  await settle();
  assert.deepEqual(
    ids(alive)
      .slice(2 - lost.length)
      .toSorted(),
    lost.toSorted(),
  );
  for (const request of alive.handler.requests) request.answer("ok");
  await settle();
  assert.deepEqual(bed.ends.toSorted(), ["a0 ok", "a1 ok"]);
});

test("★ a replica whose connection broke is not dead: it is used again as soon as it is reached again", async () => {
  const bed = new RoutingBed();
  const [only] = await bed.serve([{ id: "r1" }]);
  assert.ok(only !== undefined);
  bed.network.breakAll();
  await settle();
  bed.send("a");
  await settle();
  assert.deepEqual(ids(only), []);
  await bed.clock.advanceAsync(100);
  assert.deepEqual(ids(only), ["a"]);
  assert.equal(bed.metric("thornback_router_ejections_total"), 0);
});

test("★ without a replica a request waits, and is served when one appears", async () => {
  const bed = new RoutingBed();
  await bed.table([deploymentEntry({ availability: "starting" })]);
  bed.send("a");
  await bed.clock.advanceAsync(5_000);
  assert.deepEqual(bed.ends, []);
  const replica = await bed.replica("r1");
  await bed.table([deploymentEntry(), { kind: "replica", ...replica.entry }]);
  replica.handler.requests[0]?.answer("ok");
  await settle();
  assert.deepEqual(bed.ends, ["a ok"]);
});

test("★ a deployment that failed to start answers 503 at once, and serves again once it was deployed anew", async () => {
  const bed = new RoutingBed();
  await bed.table([deploymentEntry({ availability: "failed", reason: "app.ts:3: no such file" })]);
  bed.send("a");
  await settle();
  assert.deepEqual(bed.ends, ["a deployment_unavailable"]);
  assert.ok((bed.errors[0]?.details.retryAfterSeconds ?? 0) > 0);
  await bed.serve([{ id: "r1" }]);
  const replica = await bed.replica("r2");
  await bed.table([deploymentEntry(), { kind: "replica", ...replica.entry }]);
  bed.send("b");
  await settle();
  replica.handler.requests[0]?.answer("ok");
  await settle();
  assert.deepEqual(bed.ends.slice(1), ["b ok"]);
});
