import assert from "node:assert/strict";
import { test } from "node:test";
import { BEAT_MS, HEARTBEAT_MS, STOPPED_ENDED_AFTER_MS } from "../../../core/limits.ts";
import { assignedReplica } from "../../fake/assigned-replica.ts";
import { replicaReport, type FakeProcess } from "../../fake/fake-spawner.ts";
import { WorkerBed } from "../../fake/worker-bed.ts";

/** Says once that the event loop runs, with a request on it that has so much time. */
function beat(child: FakeProcess, deadlineInMs: number | null = 60_000): void {
  child.say({ kind: "beat", ongoing: 2, deadlineInMs });
}

async function beats(bed: WorkerBed, child: FakeProcess, forMs: number): Promise<void> {
  for (let ms = 0; ms < forMs; ms += BEAT_MS) {
    beat(child);
    await bed.clock.advanceAsync(BEAT_MS);
  }
}

function health(bed: WorkerBed): string {
  const report = bed.controller.report("r1");
  return `${report?.state} ${report?.health} ${report?.reason}`;
}

test("a replica whose event loop is blocked is reported so, ended, and started again", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  child.endsWhenTold = false;
  await beats(bed, child, 1_000);
  beat(child, 2_000);
  await bed.clock.advanceAsync(1_300);
  assert.equal(bed.controller.report("r1")?.utilisation, 1);
  assert.match(
    health(bed),
    /^ready busy busy: its event loop has not run for 1\.[0-3] s, there is still time to answer/,
  );
  await bed.clock.advanceAsync(1_300);
  assert.match(
    health(bed),
    /^ready blocked blocked: .*all deadlines on it have passed \(ongoing 2\); it ends in 1\.\d s/,
  );
  assert.ok(!child.wasTerminated, "it gets a moment more");
  await bed.clock.advanceAsync(1_500);
  assert.ok(child.wasTerminated);
  assert.match(health(bed), /^failed/);
  child.exit({ kind: "killed", signal: "SIGKILL" });
  await bed.clock.advanceAsync(10);
  assert.match(health(bed), /^failed beating its event loop was blocked for [34]\.\d s, past all deadlines on it/);
  assert.ok((bed.controller.report("r1")?.restartDelayMs ?? 0) > 0);
});

test("one that recovers is well again at once", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  beat(child, 1_000);
  await bed.clock.advanceAsync(2_000);
  assert.match(health(bed), /^ready blocked/);
  beat(child);
  await bed.clock.advanceAsync(10);
  assert.equal(health(bed), "ready beating ");
  assert.ok(!child.wasTerminated);
});

test("a process that is stopped as a whole is ended, however much time its requests have", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  await beats(bed, child, 500);
  child.isStopped = true;
  await bed.clock.advanceAsync(STOPPED_ENDED_AFTER_MS);
  assert.match(health(bed), /^ready blocked blocked: its process is stopped/);
  assert.ok(!child.wasTerminated);
  await bed.clock.advanceAsync(2_000);
  assert.ok(child.wasTerminated);
});

test("one that never told of its event loop, as an older release does not, is not judged", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  child.isStopped = true;
  await bed.clock.advanceAsync(60_000);
  assert.ok(!child.wasTerminated);
});

test("a worker that stood still itself blames nobody", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  beat(child, 100);
  bed.clock.jump(30_000);
  await bed.clock.advanceAsync(BEAT_MS);
  assert.equal(health(bed), "ready beating ");
  await beats(bed, child, 2_000);
  assert.ok(!child.wasTerminated);
});

test("nobody is ended while a debugger may hold it", async () => {
  const bed = await WorkerBed.start({}, { inspect: { host: "127.0.0.1", port: 0 } });
  const child = await bed.replica("r1");
  beat(child, 100);
  await bed.clock.advanceAsync(20_000);
  assert.match(health(bed), /^ready blocked/);
  assert.ok(!child.wasTerminated);
});

/** Gives the only replica a limit, as a change of options in place does. */
function limit(bed: WorkerBed, memoryLimitBytes: number, desired: "run" | "drain" = "run"): void {
  bed.controller.assign([assignedReplica("r1", { desired, options: { memoryLimitBytes } })]);
}

test("a replica near its memory limit asks to be replaced and serves on, one above it is ended", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  limit(bed, 1024 ** 3);
  child.residentBytes = 0.3 * 1024 ** 3;
  await beats(bed, child, 2 * HEARTBEAT_MS);
  child.residentBytes = 0.95 * 1024 ** 3;
  await beats(bed, child, 2 * HEARTBEAT_MS);
  const report = bed.controller.report("r1");
  assert.deepEqual([report?.state, report?.isRetiring], ["ready", true]);
  assert.equal(report?.reason, "uses 973 MiB of 1.0 GiB (memoryLimitBytes): being replaced");
  child.residentBytes = 1.1 * 1024 ** 3;
  await beats(bed, child, 3 * HEARTBEAT_MS);
  assert.ok(child.wasTerminated);
  const reasons = bed.controller.all("replicas").flatMap(({ reports }) => reports.map(({ reason }) => reason));
  assert.ok(reasons.some((reason) => reason.startsWith("OOMKilled: used 1.1 GiB of 1.0 GiB")));
});

test("one that asked to be replaced takes it back when its limit is raised, and not because it gave memory back", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  limit(bed, 1024 ** 3);
  child.residentBytes = 0.3 * 1024 ** 3;
  await beats(bed, child, 2 * HEARTBEAT_MS);
  child.residentBytes = 0.95 * 1024 ** 3;
  await beats(bed, child, 2 * HEARTBEAT_MS);
  child.residentBytes = 0.8 * 1024 ** 3;
  await beats(bed, child, 2 * HEARTBEAT_MS);
  assert.equal(bed.controller.report("r1")?.isRetiring, true);
  limit(bed, 2 * 1024 ** 3);
  await beats(bed, child, 2 * HEARTBEAT_MS);
  const report = bed.controller.report("r1");
  assert.deepEqual([report?.state, report?.reason, report?.isRetiring], ["ready", "", false]);
});

test("one whose process says that it is to be replaced goes on until it is told to drain", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  const report = { state: "ready", isRetiring: true, reason: "stuck" } as const;
  child.say({ kind: "replica", report: replicaReport(report) });
  await bed.clock.advanceAsync(10);
  assert.equal(health(bed), "ready beating stuck");
  assert.equal(bed.controller.report("r1")?.isRetiring, true);
  assert.ok(!child.wasTerminated);
});

test("the end of a replica that is to go is no restart, whatever ended it", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  child.endsWhenTold = false;
  limit(bed, 0, "drain");
  await bed.clock.advanceAsync(10);
  child.say({ kind: "replica", report: replicaReport({ state: "draining", reason: "told to drain" }) });
  beat(child, 100);
  await bed.clock.advanceAsync(4_000);
  assert.ok(child.wasTerminated);
  child.exit({ kind: "killed", signal: "SIGKILL" });
  await bed.clock.advanceAsync(10);
  const names = bed.metrics.samples().map(({ name }) => name);
  assert.ok(!names.includes("thornback_replica_restarts_total"), names.join());
});

test("a process that ended for want of memory is told so, with what it used last", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  child.residentBytes = 700 * 1024 ** 2;
  await beats(bed, child, 2 * HEARTBEAT_MS);
  child.exit({ kind: "killed", signal: "SIGABRT" });
  await bed.clock.advanceAsync(10);
  assert.match(health(bed), /^failed beating OOMKilled: used 700 MiB; no memoryLimitBytes was set; .*SIGABRT/);
});

test("a replica that gave itself up drains first, and is then started again with its reason and a wait", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  child.say({ kind: "replica", report: replicaReport({ state: "draining", reason: "stuck" }) });
  await bed.clock.advanceAsync(10);
  assert.match(health(bed), /^draining beating stuck/);
  child.say({ kind: "replica", report: replicaReport({ state: "failed", reason: "stuck" }) });
  child.exit({ kind: "exited", code: 1 });
  await bed.clock.advanceAsync(10);
  assert.match(health(bed), /^failed beating stuck/);
  await bed.clock.advanceAsync(150);
  assert.notEqual(bed.child("r1"), child);
});

test("restarts are counted over a restart of the worker", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  child.exit({ kind: "exited", code: 1 });
  await bed.clock.advanceAsync(200);
  const next = bed.child("r1");
  next.dial(bed.worker);
  next.sayReady();
  await bed.clock.advanceAsync(10);
  assert.equal(bed.controller.report("r1")?.restarts, 1);
  await bed.restartWorker();
  const registration = bed.controller.all("register").at(-1)?.registration;
  assert.equal(registration?.replicas.find(({ id }) => id === "r1")?.restarts, 1);
});
