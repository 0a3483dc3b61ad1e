/**
 * Starts, ends and restarts that callers should notice as little of as can be: a start that fails now and then, health
 * checks that fail a few times, an application that is deleted, a controller that is killed while a deployment has more
 * replicas than it was deployed with.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import type { DeploymentStatusView } from "../../core/status.ts";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, post, startCluster, type TestCluster } from "../integration/cluster.ts";
import { supervisedPids } from "../integration/cluster-processes.ts";

/** Throws in its constructor as often as a file says, which counts down. */
const SHAKY = `
import { readFileSync, writeFileSync } from "node:fs";
import { deployment } from "thornback";

class Shaky {
  constructor() {
    const left = Number(readFileSync("LEFT", "utf8"));
    writeFileSync("LEFT", String(left - 1));
    if (left > 0) throw new Error("the weights are not there yet");
  }
  async predict() { return process.pid; }
}
export default deployment(Shaky).bind();
`;

/** Fails as many health checks in a row as it is told. */
const CHECKED = `
import { deployment } from "thornback";

class Checked {
  #failing = 0;
  healthCheck() { if (this.#failing-- > 0) throw new Error("no"); }
  async predict({ failing, get }: { failing: number; get?: boolean }) {
    if (get !== true) this.#failing = failing;
    return { pid: process.pid, left: this.#failing };
  }
}
export default deployment(Checked, { healthCheckPeriodMs: 50 }).bind();
`;

const SLOW = `
import { deployment } from "thornback";

class Slow {
  async predict(sleepMs: number) {
    await new Promise((resolve) => setTimeout(resolve, sleepMs));
    return "done";
  }
}
export default deployment(Slow, { gracefulShutdownTimeoutMs: GRACE }).bind();
`;

const SCALED = `
import { deployment } from "thornback";

class Scaled { async predict() { return process.pid; } }
export default deployment(Scaled, {
  resources: { cpus: 0.1 },
  autoscaling: { maxReplicas: 8, downscaleDelayMs: 2_000, metric: { name: "jobs", targetPerReplica: 1 } },
}).bind();
`;

const READY_WITHIN_MS = 30_000;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster(["--resources", "cpus=8"]);
});

after(() => cluster.close());

async function deploy(name: string, text: string): Promise<string> {
  const file = cluster.project.write(`${name}/app.ts`, text);
  const { code, err } = await cluster.serve(["deploy", file, "--route-prefix", `/${name}`]);
  assert.equal(code, 0, err);
  return `${cluster.http}/${name}`;
}

async function deploymentOf(name: string): Promise<DeploymentStatusView> {
  const found = (await cluster.status()).applications.find((one) => one.name === name)?.deployments[0];
  assert.ok(found !== undefined);
  return found;
}

test("a constructor that fails twice is tried again after a wait, and the deployment becomes healthy", async () => {
  const left = cluster.project.write("left", "2");
  const startedAt = performance.now();
  const url = await deploy("shaky", SHAKY.replaceAll("LEFT", left));
  console.log(
    `healthy ${Math.round(performance.now() - startedAt)} ms after the command was typed, at the third start`,
  );
  assert.equal(readFileSync(left, "utf8"), "-1");
  assert.equal((await post(url, {})).status, 200);
});

test("two failed health checks in a row change nothing, three replace the replica", async () => {
  const url = await deploy("checked", CHECKED);
  const ask = async (input: object): Promise<{ pid: number; left: number }> => {
    const answer = await post(url, input);
    return answer.body as { pid: number; left: number };
  };
  const { pid } = await ask({ failing: 2 });
  // Both have failed, and one has passed after them.
  await eventually(async () => ((await ask({ failing: 0, get: true })).left < 0 ? true : undefined));
  assert.equal((await ask({ failing: 3 })).pid, pid);
  const since = performance.now();
  const replaced = await eventually(async () => {
    const [replica] = (await deploymentOf("checked")).replicas;
    return replica?.state === "ready" && replica.pid !== pid ? replica : undefined;
  }, READY_WITHIN_MS);
  console.log(`replaced ${Math.round(performance.now() - since)} ms after its checks began to fail`);
  assert.equal(replaced.restarts, 1);
});

test("deleting an application lets what is ongoing finish, and its route is 404 at once", async () => {
  const url = await deploy("leaving", SLOW.replace("GRACE", "20_000"));
  const ongoing = post(url, 1_500);
  await eventually(async () => ((await deploymentOf("leaving")).replicas[0]?.ongoing === 1 ? true : undefined));
  const deleting = cluster.serve(["delete", "leaving"]);
  await eventually(async () => ((await post(url, 0)).status === 404 ? true : undefined));
  assert.deepEqual([(await ongoing).status, (await deleting).code], [200, 0]);
  assert.equal((await ongoing).body, "done");
});

test("what does not finish within gracefulShutdownTimeoutMs is cut off", async () => {
  const url = await deploy("stubborn", SLOW.replace("GRACE", "1_000"));
  const ongoing = post(url, 60_000);
  await eventually(async () => ((await deploymentOf("stubborn")).replicas[0]?.ongoing === 1 ? true : undefined));
  const [replica] = (await deploymentOf("stubborn")).replicas;
  const startedAt = performance.now();
  assert.equal((await cluster.serve(["delete", "stubborn"])).code, 0);
  const { status } = await ongoing;
  const tookMs = performance.now() - startedAt;
  console.log(`${status} and deleted ${Math.round(tookMs)} ms after the command was typed`);
  assert.equal(status, 502);
  assert.ok(tookMs < 10_000);
  await eventually(() => (existsSync(path.join("/proc", String(replica?.pid))) ? undefined : true));
});

test("a killed controller keeps the count of what scaled up, with the same processes, and takes none away early", async () => {
  const url = await deploy("scaled", SCALED);
  const metric = `${cluster.admin}/api/v1/applications/scaled/deployments/Scaled/metric`;
  assert.equal((await post(metric, { value: 4 })).status, 202);
  const pidsOf = async (): Promise<readonly number[]> => {
    const { replicas } = await deploymentOf("scaled");
    return replicas.filter(({ state }) => state === "ready").map(({ pid }) => pid);
  };
  const before = await eventually(async () => {
    const pids = await pidsOf();
    return pids.length === 4 ? pids : undefined;
  }, READY_WITHIN_MS);
  const load = startLoad({
    ...{ url, method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
    ...{ ratePerSecond: 100, timeoutMs: 10_000 },
  });
  const { controllerPid } = supervisedPids(cluster.dataDir);
  process.kill(controllerPid, "SIGKILL");
  const targets = new Set<number>();
  // The new one does not know the metric's value; for longer than downscaleDelayMs it answers with the same count.
  let answeredSince: number | undefined;
  await eventually(async () => {
    const view = await deploymentOf("scaled").catch(() => undefined);
    if (view === undefined) return undefined;
    targets.add(view.targetReplicas);
    answeredSince ??= performance.now();
    return performance.now() - answeredSince > 4_000 ? true : undefined;
  }, READY_WITHIN_MS);
  const { sent, failures } = await load.stop();
  console.log(
    `targets after the kill: ${[...targets].join(", ")}; ${sent} requests, failures ${JSON.stringify(failures)}`,
  );
  assert.deepEqual([...targets], [4]);
  assert.deepEqual((await pidsOf()).toSorted(), before.toSorted());
  assert.deepEqual(failures, {});
});
