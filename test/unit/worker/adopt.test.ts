import assert from "node:assert/strict";
import { test } from "node:test";
import { ADOPT_SILENT_MS } from "../../../core/limits.ts";
import { assignedReplica } from "../../fake/assigned-replica.ts";
import { replicaReport } from "../../fake/fake-spawner.ts";
import { WorkerBed } from "../../fake/worker-bed.ts";

/** A node that runs one replica, one blank and a proxy, all connected. */
async function busyNode(): Promise<WorkerBed> {
  const bed = await WorkerBed.start();
  bed.spawner.alive("replica")[0]?.dial(bed.worker);
  bed.spawner.alive("proxy")[0]?.dial(bed.worker);
  bed.spawner.alive("proxy")[0]?.say({ kind: "proxy", address: { host: "127.0.0.1", port: 8_000 }, reason: "" });
  await bed.replica("r1");
  bed.spawner.alive("replica").at(-1)?.dial(bed.worker);
  return bed;
}

test("a restarted worker goes on with the same processes and registers them as they are", async () => {
  const bed = await busyNode();
  const before = bed.spawner.processes.filter(({ isAlive }) => isAlive);
  const [first] = bed.controller.all("register");
  await bed.restartWorker();
  assert.deepEqual(
    bed.spawner.processes.filter(({ isAlive }) => isAlive),
    before,
    "none ended, none started",
  );
  const { registration } = bed.controller.all("register").at(-1) ?? {};
  assert.equal(registration?.node, first?.registration.node);
  assert.equal(registration?.incarnation, 2);
  assert.deepEqual(
    registration?.replicas.map(({ id, state, pid, callSecret }) => ({ id, state, pid, callSecret })),
    [
      {
        id: "r1",
        state: "ready",
        pid: bed.child("r1").pid,
        callSecret: bed.files.runs.get(bed.child("r1").run.id)?.assigned?.callSecret,
      },
    ],
  );
  assert.equal(bed.controller.all("heartbeat").at(-1)?.report.httpUrl, "http://127.0.0.1:8000");
  bed.child("r1").exit({ kind: "killed", signal: "SIGKILL" });
  await bed.clock.advanceAsync(200);
  assert.notEqual(bed.child("r1"), undefined, "it is supervised again");
});

test("a restarted worker does not wait once everybody has dialled", async () => {
  const bed = await busyNode();
  let isSettled = false;
  const restarted = bed.restartWorker().then(() => (isSettled = true));
  await bed.clock.advanceAsync(0);
  assert.equal(isSettled, false, "only because the test's own steps take longer");
  await restarted;
  assert.deepEqual(
    bed.log.lines.filter(({ message }) => message.includes("does not dial")),
    [],
  );
});

test("a child that does not dial, as one whose event loop is blocked, is let be for a while and goes on when it does", async () => {
  const bed = await busyNode();
  const silent = bed.child("r1");
  await bed.restartWorker((process) => {
    if (process !== silent) process.dial(bed.worker);
  });
  assert.equal(bed.controller.all("register").length, 2, "the others did not wait for it");
  await bed.clock.advanceAsync(ADOPT_SILENT_MS - 4_000);
  assert.equal(silent.wasTerminated, false);
  silent.dial(bed.worker);
  silent.sayReady();
  await bed.clock.advanceAsync(ADOPT_SILENT_MS);
  assert.equal(silent.isAlive, true);
  assert.deepEqual(
    bed.controller
      .all("replicas")
      .at(-1)
      ?.reports.map(({ id, state }) => [id, state]),
    [["r1", "ready"]],
  );
});

test("a child that never dials is ended and replaced", async () => {
  const bed = await busyNode();
  const silent = bed.child("r1");
  await bed.restartWorker((process) => {
    if (process !== silent) process.dial(bed.worker);
  });
  await bed.clock.advanceAsync(ADOPT_SILENT_MS);
  assert.equal(silent.isAlive, false);
  await bed.clock.advanceAsync(200);
  assert.notEqual(bed.child("r1").pid, silent.pid);
});

test("a replica that drains goes on draining when its worker is restarted", async () => {
  const bed = await busyNode();
  const draining = bed.child("r1");
  bed.controller.assign([assignedReplica("r1", { desired: "drain" })]);
  await bed.clock.advanceAsync(10);
  assert.notEqual(draining.last("drain"), undefined);
  await bed.restartWorker(
    (process) => process.dial(bed.worker),
    (process) => process.say({ kind: "replica", report: replicaReport({ state: "draining", ongoing: 1 }) }),
  );
  assert.equal(draining.wasTerminated, false);
  draining.exit();
  await bed.clock.advanceAsync(10);
  assert.deepEqual(bed.controller.all("gone").at(-1)?.replicas, ["r1"]);
});

test("a process that has another's pid by now is never touched, and its run file is removed", async () => {
  const bed = await busyNode();
  const replica = bed.child("r1");
  const run = bed.files.runs.get(replica.run.id);
  assert.ok(run !== undefined);
  bed.files.writeRun({ ...run, startTicks: run.startTicks + 1 });
  await bed.restartWorker();
  assert.equal(replica.wasTerminated, false);
  assert.equal(bed.files.runs.has(run.id), false);
});

test("who cannot prove to be a child is refused", async () => {
  const bed = await busyNode();
  const child = bed.child("r1");
  assert.equal(child.dial(bed.worker, { secret: "wrong" }), false);
  assert.equal(child.dial(bed.worker, { pid: child.pid + 1 }), false);
  assert.equal(child.dial(bed.worker), true);
});

test("a replica whose order was written but never sent gets it from the next worker", async () => {
  const bed = await WorkerBed.start();
  bed.controller.assign([assignedReplica("r1")]);
  await bed.clock.advanceAsync(10);
  const child = bed.child("r1");
  assert.equal(child.last("order"), undefined, "it had not dialled");
  await bed.restartWorker((process) => {
    process.dial(bed.worker);
    if (process === child) assert.equal(child.last("order")?.order.replicaId, "r1");
  });
});

test("what runs is not ended before an assignment says so, also when none is on disk", async () => {
  const bed = await busyNode();
  bed.files.assignment = undefined;
  const pid = bed.child("r1").pid;
  await bed.restartWorker();
  await bed.clock.advanceAsync(10_000);
  assert.equal(bed.child("r1").pid, pid);
  bed.controller.assign([]);
  await bed.clock.advanceAsync(10);
  assert.throws(() => bed.child("r1"));
});
