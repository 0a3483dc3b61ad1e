/**
 * Rolls a deployment that is not idempotent, again and again without a pause, under a constant open-loop load, and counts
 * what callers saw and how many replicas served meanwhile. ROLLOUTS=20 for the full figure; CI rolls three times.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, post, replicaPids, startCluster, type TestCluster } from "../integration/cluster.ts";
import { allReplicas } from "../integration/cluster-processes.ts";

const ROLLOUTS = Number(process.env["ROLLOUTS"] ?? 3);
const REPLICAS = 2;
const RATE_PER_SECOND = 1_000;
const REQUESTS_PER_ROLLOUT = 1_000;
const LOOK_EVERY_MS = 20;
const ENOUGH_WITHIN_MS = 60_000;

const APP = `
import { deployment } from "thornback";

class Versioned {
  async predict() {
    await new Promise((resolve) => setTimeout(resolve, 10));
    return ROUND;
  }
}
export default deployment(Versioned, { numReplicas: ${REPLICAS} }).bind();
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

/** Counts ready replicas over and over, until told to stop. */
function watchReady(): { stop(): Promise<{ readonly least: number; readonly looks: number }> } {
  const seen: number[] = [];
  const look = async (): Promise<void> => {
    const replicas = await allReplicas(String(cluster.admin));
    seen.push(replicas.filter(({ state }) => state === "ready").length);
  };
  // One look at a time: a second one while the controller is busy would tell no more.
  let looking = look();
  const timer = setInterval(() => (looking = looking.then(look)), LOOK_EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      await looking;
      return { least: Math.min(...seen), looks: seen.length };
    },
  };
}

test("rollouts of a deployment that is not idempotent cost no request, and never a replica of its target", async () => {
  const headers = { "content-type": "application/json" };
  const load = startLoad({
    ...{ url: cluster.http, method: "POST", headers, body: "{}" },
    ...{ ratePerSecond: RATE_PER_SECOND, timeoutMs: 10_000 },
  });
  const ready = watchReady();
  const startedAt = performance.now();
  let tookMs = 0;
  try {
    for (let round = 1; round <= ROLLOUTS; round++) {
      const before = await replicaPids(String(cluster.admin));
      await deploy(round);
      assert.deepEqual((await post(cluster.http, {})).body, round, "the new version answers once deploy returned");
      await eventually(async () => {
        const now = await replicaPids(String(cluster.admin));
        return now.length === REPLICAS && !before.some((pid) => now.includes(pid)) ? true : undefined;
      });
    }
    tookMs = performance.now() - startedAt;
    await eventually(() => (load.sent >= ROLLOUTS * REQUESTS_PER_ROLLOUT ? true : undefined), ENOUGH_WITHIN_MS);
  } finally {
    await Promise.all([load.stop(), ready.stop()]);
  }
  const report = await load.stop();
  const { least, looks } = await ready.stop();
  console.log(
    `${ROLLOUTS} rollouts in ${Math.round(tookMs)} ms under ${RATE_PER_SECOND} requests per second: ` +
      `${report.sent} sent, ${report.sent - report.succeeded} failed ${JSON.stringify(report.failures)}, ` +
      `p99 ${report.latency.p99Ms.toFixed(1)} ms; at least ${least} of ${REPLICAS} replicas ready in ${looks} looks`,
  );
  assert.deepEqual(report.failures, {});
  assert.ok(report.sent >= ROLLOUTS * REQUESTS_PER_ROLLOUT);
  assert.ok(least >= REPLICAS, `${least} replicas were ready at some moment`);
});
