/**
 * Rolls a deployment that is not idempotent, again and again, under a constant load, and counts what callers saw.
 * ROLLOUTS=20 for the full figure; CI rolls three times.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, post, replicaPids, startCluster, type TestCluster } from "../integration/cluster.ts";

const ROLLOUTS = Number(process.env["ROLLOUTS"] ?? 3);
const RATE_PER_SECOND = 200;
const REQUESTS_PER_ROLLOUT = 500;

const APP = `
import { deployment } from "thornback";

class Versioned {
  async predict() {
    await new Promise((resolve) => setTimeout(resolve, 10));
    return ROUND;
  }
}
export default deployment(Versioned, { numReplicas: 2 }).bind();
`;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  await deploy(0);
});

after(async () => {
  await cluster.close();
});

async function deploy(round: number): Promise<void> {
  const file = cluster.project.write("versioned/app.ts", APP.replace("ROUND", String(round)));
  const { code, err } = await cluster.serve(["deploy", file]);
  assert.equal(code, 0, err);
}

test("rollouts of a deployment that is not idempotent cost no request", async () => {
  const headers = { "content-type": "application/json" };
  const load = startLoad({
    ...{ url: cluster.http, method: "POST", headers, body: "{}" },
    ...{ ratePerSecond: RATE_PER_SECOND, timeoutMs: 10_000 },
  });
  try {
    for (let round = 1; round <= ROLLOUTS; round++) {
      const before = await replicaPids(String(cluster.admin));
      await deploy(round);
      assert.deepEqual((await post(cluster.http, {})).body, round, "the new version answers once deploy returned");
      await eventually(async () => {
        const now = await replicaPids(String(cluster.admin));
        return now.length === 2 && !before.some((pid) => now.includes(pid)) ? true : undefined;
      });
      await eventually(() => (load.sent >= round * REQUESTS_PER_ROLLOUT ? true : undefined));
    }
  } finally {
    await load.stop();
  }
  const report = await load.stop();
  console.log(
    `${String(ROLLOUTS)} rollouts under ${String(RATE_PER_SECOND)} requests per second: ${JSON.stringify(report)}`,
  );
  assert.deepEqual(report.failures, {});
  assert.ok(report.sent >= ROLLOUTS * REQUESTS_PER_ROLLOUT);
});
