import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerBed } from "../../fake/worker-bed.ts";

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
  const bed = await WorkerBed.start({}, { http: { host: "127.0.0.1", port: 0 } });
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
