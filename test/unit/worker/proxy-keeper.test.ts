import assert from "node:assert/strict";
import { test } from "node:test";
import { ONE_PROXY, WorkerBed } from "../../fake/worker-bed.ts";

const IN_USE = { kind: "proxy", address: undefined, reason: "port 8000 is in use" } as const;

test("a proxy that cannot listen at the first start is a failure that is told once and not tried again", async () => {
  const bed = await WorkerBed.start();
  const [proxy] = bed.spawner.alive("proxy");
  proxy?.dial(bed.worker);
  proxy?.say(IN_USE);
  assert.equal(bed.proxyFailed, "port 8000 is in use");
  proxy?.exit({ kind: "exited", code: 1 });
  await bed.clock.advanceAsync(60_000);
  assert.equal(bed.spawner.alive("proxy").length, 0);
  assert.equal(bed.controller.all("heartbeat").at(-1)?.report.reason, "port 8000 is in use");
});

test("a proxy that dies is started again within 50 ms at the port it had", async () => {
  const bed = await WorkerBed.start({}, { proxies: { ...ONE_PROXY, http: { host: "127.0.0.1", port: 0 } } });
  const [proxy] = bed.spawner.alive("proxy");
  proxy?.dial(bed.worker);
  proxy?.say({ kind: "proxy", address: { host: "127.0.0.1", port: 4_321 }, reason: "" });
  proxy?.exit({ kind: "killed", signal: "SIGKILL" });
  assert.equal(bed.controller.all("heartbeat").at(-1)?.report.httpUrl, "");
  assert.equal(bed.controller.all("heartbeat").at(-1)?.report.reason, "killed by SIGKILL");
  await bed.clock.advanceAsync(50);
  const [next] = bed.spawner.alive("proxy");
  assert.deepEqual(next?.run.listen, { host: "127.0.0.1", port: 4_321 });
});

test("a proxy that answered before is tried again even when its port is taken meanwhile", async () => {
  const bed = await WorkerBed.start();
  const [proxy] = bed.spawner.alive("proxy");
  proxy?.dial(bed.worker);
  proxy?.say({ kind: "proxy", address: { host: "127.0.0.1", port: 8_000 }, reason: "" });
  proxy?.exit({ kind: "killed", signal: "SIGKILL" });
  await bed.clock.advanceAsync(50);
  const [next] = bed.spawner.alive("proxy");
  next?.dial(bed.worker);
  next?.say(IN_USE);
  next?.exit({ kind: "exited", code: 1 });
  await bed.clock.advanceAsync(200);
  assert.equal(bed.spawner.alive("proxy").length, 1);
  assert.equal(bed.proxyFailed, undefined);
});

const TWO = { ...ONE_PROXY, proxyCount: 2 };
const ADDRESS = { host: "127.0.0.1", port: 4_321 };

async function startTwo(): Promise<WorkerBed> {
  const bed = await WorkerBed.start({}, { proxies: { ...TWO, http: { host: "127.0.0.1", port: 0 } } });
  bed.spawner.alive("proxy")[0]?.dial(bed.worker);
  bed.spawner.alive("proxy")[0]?.say({ kind: "proxy", address: ADDRESS, reason: "" });
  bed.spawner.alive("proxy")[1]?.dial(bed.worker);
  bed.spawner.alive("proxy")[1]?.say({ kind: "proxy", address: ADDRESS, reason: "" });
  return bed;
}

test("of several proxies the first starts alone and the others join it at the port it got", async () => {
  const proxies = { ...TWO, http: { host: "127.0.0.1", port: 0 } };
  const bed = await WorkerBed.start({}, { proxies, labels: { zone: "a" } });
  const [first, ...none] = bed.spawner.alive("proxy");
  assert.deepEqual(none, []);
  const place = { node: bed.worker.node, zone: "a" };
  const settings = { front: "node", proxyCount: 2, trustedProxies: [], place };
  assert.deepEqual(first?.run.proxy, { ...settings, isFirst: true });
  first?.dial(bed.worker);
  first?.say({ kind: "proxy", address: ADDRESS, reason: "" });
  const [, second] = bed.spawner.alive("proxy");
  assert.deepEqual(second?.run.proxy, { ...settings, isFirst: false });
  assert.deepEqual(second?.run.listen, ADDRESS);
  assert.deepEqual(bed.proxyReady, ADDRESS);
});

test("a node answers while one of its proxies does", async () => {
  const bed = await startTwo();
  const [one, other] = bed.spawner.alive("proxy");
  const url = (): string | undefined => bed.controller.all("heartbeat").at(-1)?.report.httpUrl;
  one?.exit({ kind: "killed", signal: "SIGKILL" });
  assert.equal(url(), "http://127.0.0.1:4321");
  other?.exit({ kind: "killed", signal: "SIGKILL" });
  assert.equal(url(), "");
  await bed.clock.advanceAsync(50);
  assert.equal(bed.spawner.alive("proxy").length, 2);
});

test("each proxy backs off by itself", async () => {
  const bed = await startTwo();
  for (let crash = 0; crash < 4; crash++) {
    bed.spawner.alive("proxy").at(-1)?.exit({ kind: "killed", signal: "SIGKILL" });
    await bed.clock.advanceAsync(400);
    bed.spawner.alive("proxy").at(-1)?.dial(bed.worker);
  }
  bed.spawner.alive("proxy")[0]?.exit({ kind: "killed", signal: "SIGKILL" });
  await bed.clock.advanceAsync(50);
  assert.equal(bed.spawner.alive("proxy").length, 2);
});

test("a restarted worker takes both proxies back and starts none", async () => {
  const bed = await startTwo();
  const before = bed.spawner.alive("proxy").map(({ pid }) => pid);
  await bed.restartWorker();
  assert.deepEqual(
    bed.spawner.alive("proxy").map(({ pid }) => pid),
    before,
  );
});

test("a restarted worker that finds its port taken, by a proxy it lost, does not give up", async () => {
  const bed = await WorkerBed.start({}, { proxies: { ...ONE_PROXY, hasListened: true } });
  const [proxy] = bed.spawner.alive("proxy");
  assert.equal(proxy?.run.proxy?.isFirst, false);
  proxy?.dial(bed.worker);
  proxy?.say(IN_USE);
  assert.equal(bed.proxyFailed, undefined);
  assert.equal(bed.controller.all("heartbeat").at(-1)?.report.reason, "port 8000 is in use");
  proxy?.say({ kind: "proxy", address: { host: "127.0.0.1", port: 8_000 }, reason: "" });
  assert.deepEqual(bed.proxyReady, { host: "127.0.0.1", port: 8_000 });
});

test("several proxies that drain are all told at once", async () => {
  const bed = await startTwo();
  void bed.worker.drain();
  for (const proxy of bed.spawner.alive("proxy")) assert.equal(proxy.last("drain")?.kind, "drain");
});

test("the proxies of an emptied node are told so, and one that starts later too", async () => {
  const bed = await startTwo();
  const assign = (generation: number, isDrained: boolean): void =>
    bed.controller.send({ kind: "assign", assignment: { epoch: 1, generation, replicas: [], isDrained } });
  const told = () => bed.spawner.alive("proxy").map((proxy) => proxy.last("rotation")?.isOut);
  assign(100, true);
  assert.deepEqual(told(), [true, true]);
  bed.spawner.alive("proxy")[0]?.exit({ kind: "killed", signal: "SIGKILL" });
  await bed.clock.advanceAsync(50);
  bed.spawner.alive("proxy").at(-1)?.dial(bed.worker);
  assert.deepEqual(told(), [true, true]);
  assign(101, false);
  assert.deepEqual(told(), [false, false]);
});

test("a proxy that was not connected when its node was used again is told as soon as it is", async () => {
  const bed = await startTwo();
  const [proxy] = bed.spawner.alive("proxy");
  const assign = (generation: number, isDrained: boolean): void =>
    bed.controller.send({ kind: "assign", assignment: { epoch: 1, generation, replicas: [], isDrained } });
  assign(100, true);
  proxy?.hangUp();
  assign(101, false);
  proxy?.dial(bed.worker);
  assert.equal(proxy?.last("rotation")?.isOut, false);
});
