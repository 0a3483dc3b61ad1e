import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { quantile, startLoad } from "../../../load/open-loop.ts";

let server: Server;
let url: string;
let served = 0;

before(async () => {
  server = createServer((request, response) => {
    served += 1;
    if (request.url === "/broken") response.writeHead(503);
    if (request.url === "/reset") response.destroy();
    else if (request.url !== "/silent") response.end("ok");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

async function loadUntil(
  path: string,
  count: number,
): Promise<Awaited<ReturnType<ReturnType<typeof startLoad>["stop"]>>> {
  served = 0;
  const options = { method: "GET", headers: {}, body: "", ratePerSecond: 500, timeoutMs: 200 } as const;
  const load = startLoad({ ...options, url: `${url}${path}` });
  while (served < count) await once(server, "request");
  return load.stop();
}

test("every request that was sent ends in exactly one outcome", async () => {
  const report = await loadUntil("/", 50);
  assert.equal(report.succeeded, report.sent);
  assert.deepEqual(report.failures, {});
  assert.ok(report.p50Ms <= report.p99Ms);
});

test("the first request is due at the start, not a period later", async () => {
  served = 0;
  const aQuarterOfAnHour = 0.001;
  const options = { method: "GET", headers: {}, body: "", ratePerSecond: aQuarterOfAnHour, timeoutMs: 5_000 } as const;
  const load = startLoad({ ...options, url: `${url}/` });
  while (served < 1) await once(server, "request");
  assert.equal((await load.stop()).sent, 1);
});

test("statuses outside 2xx, resets and missing answers are failures by name", async () => {
  assert.equal((await loadUntil("/broken", 5)).failures["503"], served);
  assert.equal((await loadUntil("/reset", 5)).failures["ECONNRESET"], served);
  assert.equal((await loadUntil("/silent", 5)).failures["timeout"], served);
});

test("a quantile of nothing is not a number", () => {
  assert.ok(Number.isNaN(quantile([], 0.5)));
  assert.equal(quantile([1, 2, 3, 4], 0.99), 4);
});
