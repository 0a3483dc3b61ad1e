import assert from "node:assert/strict";
import { test } from "node:test";
import { HEARTBEAT_MS, LOAD_GATHER_MS, ROLLOUT_FAILED_AFTER_STARTS } from "../../../core/limits.ts";
import { InvalidSpecError } from "../../../core/error.ts";
import type { DeploymentId } from "../../../core/ids.ts";
import type { TableUpdate } from "../../../core/table.ts";
import { assignedReplica } from "../../fake/assigned-replica.ts";
import { replicaReport } from "../../fake/fake-spawner.ts";
import { WorkerBed } from "../../fake/worker-bed.ts";

test("an assigned replica gets a blank that is at hand, and is reported ready with its address", async () => {
  const bed = await WorkerBed.start();
  const [blank] = bed.spawner.alive("replica");
  assert.ok(blank !== undefined);
  blank.dial(bed.worker);
  bed.controller.assign([assignedReplica("r1")]);
  await bed.clock.advanceAsync(10);
  const order = blank.last("order")?.order;
  assert.equal(order?.replicaId, "r1");
  assert.deepEqual(bed.files.runs.get(blank.run.id)?.assigned, order, "the order is on disk, for a restarted worker");

  blank.sayReady(6_000);
  await bed.clock.advanceAsync(10);
  const report = bed.controller.report("r1");
  assert.equal(report?.state, "ready");
  assert.deepEqual(report?.address, { host: "127.0.0.1", port: 6_000 });
  assert.equal(report?.callSecret, order?.callSecret);
  assert.equal(report?.pid, blank.pid);
  assert.equal(bed.spawner.alive("replica").length, 2, "the pool is full again");
});

test("only what changed is reported", async () => {
  const bed = await WorkerBed.start();
  await bed.replica("r1");
  const { length } = bed.controller.all("replicas");
  bed.child("r1").sayReady();
  await bed.clock.advanceAsync(10);
  assert.equal(bed.controller.all("replicas").length, length);
});

test("a replica that crashes is started again under its id, with another process and another secret", async () => {
  const bed = await WorkerBed.start();
  const before = await bed.replica("r1");
  const secretBefore = bed.controller.report("r1")?.callSecret;
  before.exit({ kind: "killed", signal: "SIGKILL" });
  await bed.clock.advanceAsync(10);
  assert.equal(bed.controller.report("r1")?.state, "failed");
  assert.equal(bed.controller.report("r1")?.reason, "killed by SIGKILL");
  await bed.clock.advanceAsync(100);
  const after = bed.child("r1");
  assert.notEqual(after, before);
  after.dial(bed.worker);
  after.sayReady();
  await bed.clock.advanceAsync(10);
  const report = bed.controller.report("r1");
  assert.deepEqual([report?.state, report?.restarts, report?.failedStarts, report?.pid], ["ready", 1, 0, after.pid]);
  assert.notEqual(report?.callSecret, secretBefore);
});

test("the first cause a replica gave is reported, not how its process ended after it", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.ordered("r1");
  child.say({
    kind: "replica",
    report: replicaReport({ state: "failed", reason: "TypeError: x (app.ts:3)", isPermanent: true }),
  });
  await bed.clock.advanceAsync(10_000);
  const report = bed.controller.report("r1");
  assert.equal(report?.state, "failed");
  assert.equal(report?.reason, "TypeError: x (app.ts:3)");
  assert.equal(report?.failedStarts, ROLLOUT_FAILED_AFTER_STARTS);
  assert.equal(report?.restarts, 0, "a permanent failure is not tried again");
});

test("failed starts are counted and tried again with backoff", async () => {
  const bed = await WorkerBed.start();
  bed.controller.assign([assignedReplica("r1")]);
  for (let failed = 1; failed <= 3; failed++) {
    await bed.clock.advanceAsync(400);
    const child = bed.child("r1");
    child.dial(bed.worker);
    child.exit({ kind: "exited", code: 1 });
    await bed.clock.advanceAsync(1);
    assert.equal(bed.controller.report("r1")?.failedStarts, failed);
  }
  assert.match(bed.controller.report("r1")?.reason ?? "", /exited with code 1 before it was ready/);
});

test("while it starts again after a failed start it tells why that failed, until it is ready", async () => {
  const bed = await WorkerBed.start();
  const first = await bed.ordered("r1");
  first.say({ kind: "replica", report: replicaReport({ state: "failed", reason: "TypeError: x (app.ts:3)" }) });
  first.exit({ kind: "exited", code: 1 });
  await bed.clock.advanceAsync(400);
  const again = bed.child("r1");
  assert.notEqual(again, first);
  again.dial(bed.worker);
  again.say({ kind: "replica", report: replicaReport({ reason: "setup" }) });
  await bed.clock.advanceAsync(10);
  const starting = bed.controller.report("r1");
  assert.deepEqual([starting?.state, starting?.reason], ["starting", "TypeError: x (app.ts:3)"]);
  again.sayReady();
  await bed.clock.advanceAsync(10);
  assert.deepEqual([bed.controller.report("r1")?.state, bed.controller.report("r1")?.reason], ["ready", ""]);
});

test("a bundle that cannot be used is a permanent failure of the replica, with its message", async () => {
  const bed = await WorkerBed.start({
    prepare: () => Promise.reject(new InvalidSpecError("sharp@1 is not installed")),
  });
  bed.controller.assign([assignedReplica("r1")]);
  await bed.clock.advanceAsync(60_000);
  const report = bed.controller.report("r1");
  assert.deepEqual([report?.state, report?.reason, report?.failedStarts], ["failed", "sharp@1 is not installed", 3]);
});

test("a replica that neither becomes ready nor fails is ended when its time is over", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.ordered("r1");
  child.say({ kind: "replica", report: replicaReport({ reason: "setup" }) });
  await bed.clock.advanceAsync(20_000);
  assert.ok(child.wasTerminated);
  assert.match(bed.controller.report("r1")?.reason ?? "", /not ready within 10000 ms; last it was: setup/);
});

test("a drained replica is told to finish, and is gone when its process is", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  bed.controller.assign([assignedReplica("r1", { desired: "drain" })]);
  await bed.clock.advanceAsync(10);
  assert.deepEqual(child.last("drain"), { kind: "drain", timeoutMs: 20_000 });
  assert.equal(bed.controller.report("r1")?.state, "draining");
  assert.deepEqual(bed.controller.all("gone"), []);
  child.exit();
  await bed.clock.advanceAsync(10);
  assert.deepEqual(bed.controller.all("gone"), [{ kind: "gone", replicas: ["r1"] }]);
  assert.equal(bed.files.runs.has(child.run.id), false);
});

test("a draining replica that does not end in its time is ended", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  bed.controller.assign([assignedReplica("r1", { desired: "drain" })]);
  await bed.clock.advanceAsync(29_000);
  assert.equal(child.wasTerminated, false);
  await bed.clock.advanceAsync(2_000);
  assert.ok(child.wasTerminated);
});

test("a replica that is assigned and removed within one turn is gone without ever having been there", async () => {
  const bed = await WorkerBed.start();
  bed.controller.assign([assignedReplica("r1")]);
  bed.controller.assign([]);
  await bed.clock.advanceAsync(10);
  assert.deepEqual(bed.controller.all("gone"), [{ kind: "gone", replicas: ["r1"] }]);
});

test("a replica that is missing from the assignment is ended and gone", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  bed.controller.assign([]);
  await bed.clock.advanceAsync(10);
  assert.ok(child.wasTerminated);
  assert.deepEqual(bed.controller.all("gone"), [{ kind: "gone", replicas: ["r1"] }]);
});

test("changed options reach a ready replica in place", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  bed.controller.assign([assignedReplica("r1", { options: { userConfig: { a: 1 } } })]);
  await bed.clock.advanceAsync(10);
  assert.deepEqual(child.last("reconfigure")?.options.userConfig, { a: 1 });
  child.heard = [];
  bed.controller.assign([assignedReplica("r1", { options: { userConfig: { a: 1 } } })]);
  await bed.clock.advanceAsync(10);
  assert.equal(child.last("reconfigure"), undefined, "once is enough");
});

test("an assignment of a controller that was replaced is refused, also after a restart of the worker", async () => {
  const bed = await WorkerBed.start();
  await bed.replica("r1", 7);
  bed.controller.assign([], 6);
  await bed.clock.advanceAsync(10);
  assert.equal(bed.child("r1").wasTerminated, false);
  await bed.restartWorker();
  assert.equal(bed.controller.all("register").at(-1)?.registration.epoch, 7);
  bed.controller.assign([], 6);
  await bed.clock.advanceAsync(10);
  assert.equal(bed.child("r1").wasTerminated, false);
});

test("without a controller a crashed replica is restarted, and the connection is tried again for ever", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  bed.controller.vanish();
  child.exit({ kind: "exited", code: 1 });
  await bed.clock.advanceAsync(5_000);
  assert.notEqual(bed.child("r1"), child);
  await bed.clock.advanceAsync(60_000);
  bed.controller.isReachable = true;
  await bed.clock.advanceAsync(2_000);
  assert.equal(bed.controller.all("register").length, 2);
});

test("a heartbeat is sent every second, and at once when the proxy answers", async () => {
  const bed = await WorkerBed.start();
  await bed.clock.advanceAsync(HEARTBEAT_MS * 5);
  const { length } = bed.controller.all("heartbeat");
  assert.equal(length, 6);
  const [proxy] = bed.spawner.alive("proxy");
  proxy?.dial(bed.worker);
  proxy?.say({ kind: "proxy", address: { host: "0.0.0.0", port: 8_000 }, reason: "" });
  assert.deepEqual(bed.proxyReady, { host: "0.0.0.0", port: 8_000 });
  assert.equal(bed.controller.all("heartbeat").length, length + 1);
  assert.equal(bed.controller.all("heartbeat").at(-1)?.report.httpUrl, "http://127.0.0.1:8000");
});

test("a shutdown is passed on, and a collect is answered with the node's metrics", async () => {
  const bed = await WorkerBed.start();
  bed.controller.send({ kind: "shutdown" });
  assert.equal(bed.shutdowns, 1);
  await bed.replica("r1");
  bed.controller.send({ kind: "collect", id: 4, what: { kind: "metrics" } });
  const child = bed.child("r1");
  const asked = child.last("getSamples");
  assert.ok(asked !== undefined);
  const samples = [
    { name: "thornback_replica_ongoing_requests", labels: { deployment: "app/Model" }, values: [3] },
  ] as const;
  child.say({ kind: "samples", id: asked.id, samples });
  await bed.clock.advanceAsync(1_000);
  const [collected] = bed.controller.all("collected");
  assert.equal(collected?.id, 4);
  assert.match(collected?.text ?? "", /thornback_replica_ongoing_requests\{deployment="app\/Model"\} 3/);
  assert.match(collected?.text ?? "", /thornback_replicas\{deployment="app\/Model",state="ready"\} 1/);
});

test("a worker that is told to stop drains the proxy, then the replicas, and leaves nothing to restore", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  const [proxy] = bed.spawner.alive("proxy");
  assert.ok(proxy !== undefined);
  proxy.dial(bed.worker);
  const drained = bed.worker.drain();
  await bed.clock.advanceAsync(10);
  assert.equal(proxy.last("drain")?.kind, "drain");
  assert.equal(child.last("drain"), undefined, "requests of the proxy still need it");
  proxy.exit();
  await bed.clock.advanceAsync(10);
  assert.equal(child.last("drain")?.kind, "drain");
  child.exit();
  await bed.clock.advanceAsync(10);
  await drained;
  assert.equal(bed.spawner.processes.filter(({ isAlive }) => isAlive).length, 0);
  assert.deepEqual([...bed.files.runs.keys()], []);
  assert.equal(bed.files.assignment, undefined);
});

test("the first replica gets the inspector, with a process of its own", async () => {
  const bed = await WorkerBed.start({}, { inspect: { host: "127.0.0.1", port: 9_229 } });
  bed.controller.assign([assignedReplica("r1"), assignedReplica("r2")]);
  await bed.clock.advanceAsync(10);
  assert.deepEqual(bed.child("r1").inspect, { host: "127.0.0.1", port: 9_229 });
  assert.equal(bed.child("r2").inspect, undefined);
});

const TABLE: TableUpdate = { epoch: 1, version: 5, kind: "snapshot", baseVersion: 0, upserts: [], removals: [] };

test("the table goes to every router, and the newest that all of them use is reported", async () => {
  const bed = await WorkerBed.start();
  const replica = await bed.replica("r1");
  const [proxy] = bed.spawner.alive("proxy");
  proxy?.dial(bed.worker);
  bed.controller.publish(TABLE);
  assert.deepEqual(replica.last("table")?.update, TABLE);
  assert.deepEqual(proxy?.last("table")?.update, TABLE);
  const applied = () => bed.controller.all("heartbeat").at(-1)?.report.tableVersion;
  proxy?.say({ kind: "tableApplied", epoch: 1, version: 5 });
  assert.equal(applied(), 0, "the replica may still use an older one");
  replica.say({ kind: "tableApplied", epoch: 1, version: 5 });
  assert.equal(applied(), 5);
});

test("a router that is not connected has no load, whether its end was told or not", async () => {
  const bed = await WorkerBed.start();
  const [proxy] = bed.spawner.alive("proxy");
  const deployment = "app/D" as DeploymentId;
  const load = { deployment, queued: 3, ongoingMean: 4, arrived: 0, answered: 0, versions: [] };
  const told = (): readonly unknown[] | undefined => bed.controller.all("loads").at(-1)?.loads;
  for (const lose of [() => proxy?.hangUp(), () => proxy?.dial(bed.worker)]) {
    proxy?.dial(bed.worker);
    proxy?.say({ kind: "loads", loads: [load] });
    await bed.clock.advanceAsync(LOAD_GATHER_MS);
    assert.deepEqual(told(), [load]);
    lose();
    await bed.clock.advanceAsync(LOAD_GATHER_MS);
    assert.deepEqual(told(), [{ ...load, queued: 0, ongoingMean: 0 }]);
  }
});
