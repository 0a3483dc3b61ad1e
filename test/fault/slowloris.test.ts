/**
 * 500 clients that send a byte now and then, half of them in their heads and half in their bodies, while a good client
 * goes on as ever. How much it feels of them is measured by bench/fault/slowloris.ts.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { HEADERS_TIMEOUT_MS, SLOW_BODY_SPAN_MS } from "../../core/limits.ts";
import { startLoad } from "../../load/open-loop.ts";
import { SlowClients } from "../fake/slow-clients.ts";
import { startCluster, type TestCluster } from "../integration/cluster.ts";

const CLIENT_COUNT = 500;
const RATE_PER_SECOND = 50;
/** A front looks for slow clients every 500 ms, and a test machine may be busy. */
const LATE_MS = 2_000;

const APP = `
import { deployment } from "thornback";
class Echo {
  async predict(input) {
    return input;
  }
}
export default deployment(Echo, { numReplicas: 1 }).bind();
`;

for (const front of ["llhttp", "node"]) {
  describe(`${CLIENT_COUNT} slow clients of the ${front} front`, () => {
    let cluster: TestCluster;
    const slow = new SlowClients();
    before(async () => {
      cluster = await startCluster(["--http-front", front]);
      const { code, err } = await cluster.serve(["deploy", cluster.project.write("echo/app.ts", APP)]);
      assert.equal(code, 0, err);
    });
    after(async () => {
      slow.close();
      await cluster.close();
    });

    it("are told 408 and closed in time, and a good client is served meanwhile", async () => {
      const headers = { "content-type": "application/json" };
      const request = { url: cluster.http, method: "POST", headers, body: "{}" };
      const load = startLoad({ ...request, ratePerSecond: RATE_PER_SECOND, timeoutMs: 5_000 });
      const port = Number(new URL(cluster.http).port);
      slow.add(port, "head", CLIENT_COUNT / 2);
      slow.add(port, "body", CLIENT_COUNT / 2);
      const endings = await slow.ended();
      const { failures, sent } = await load.stop();
      for (const { slowness, afterMs, statusLine } of endings) {
        assert.match(statusLine, /^HTTP\/1\.1 408 /, slowness);
        const mostMs = (slowness === "head" ? HEADERS_TIMEOUT_MS : SLOW_BODY_SPAN_MS) + LATE_MS;
        assert.ok(afterMs <= mostMs, `${slowness}: closed after ${afterMs} ms`);
      }
      assert.deepEqual(failures, {});
      assert.ok(sent > 0);
    });
  });
}
