/**
 * Kills each process of a cluster under a light constant load, one kind after the other, and counts what callers saw.
 * KILLS=20 repeats each kill so often; CI does each once.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import type { ReplicaStatusView } from "../../core/status.ts";
import type { LoadReport } from "../../load/load-report.ts";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, getStatus, startCluster, type TestCluster } from "../integration/cluster.ts";

const KILLS = Number(process.env["KILLS"] ?? 1);
const RATE_PER_SECOND = 100;

const APP = `
import { deployment } from "thornback";

class Slow {
  async predict(input) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return input;
  }
}
export default deployment(Slow, { numReplicas: 2, idempotent: true }).bind();
`;

let cluster: TestCluster;
let admin: string;
let http: string;

before(async () => {
  cluster = await startCluster();
  admin = String(cluster.admin);
  http = cluster.http;
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("slow/app.ts", APP)]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

async function replicas(): Promise<readonly ReplicaStatusView[]> {
  const { applications } = await getStatus(admin);
  return applications.flatMap(({ deployments }) => deployments).flatMap((one) => one.replicas);
}

async function pids(): Promise<readonly number[]> {
  return (await replicas()).map(({ pid }) => pid).sort((a, b) => a - b);
}

/** Both replicas ready, so that the next kill finds a whole deployment. */
function whenWhole(): Promise<readonly ReplicaStatusView[]> {
  return eventually(async () => {
    const found = await replicas().catch(() => []);
    return found.length === 2 && found.every(({ state, pid }) => state === "ready" && pid > 0) ? found : undefined;
  }, 20_000);
}

/** Runs `fault` KILLS times under load, and reports what the load saw. */
async function underLoad(fault: () => Promise<void>): Promise<LoadReport> {
  const headers = { "content-type": "application/json" };
  const body = '{"a":1}';
  const load = startLoad({
    url: http,
    method: "POST",
    headers,
    body,
    ratePerSecond: RATE_PER_SECOND,
    timeoutMs: 10_000,
  });
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await fault();
      await whenWhole();
      const { sent } = load;
      // A second of load after every kill: what it broke would show by then.
      await eventually(() => (load.sent >= sent + RATE_PER_SECOND ? true : undefined));
    }
  } finally {
    await load.stop();
  }
  const report = await load.stop();
  console.log(`${String(KILLS)} × under ${String(RATE_PER_SECOND)} requests per second: ${JSON.stringify(report)}`);
  return report;
}

function supervised(): { controllerPid: number; workerPid: number } {
  return JSON.parse(readFileSync(path.join(cluster.dataDir, "run/supervisor.json"), "utf8")) as never;
}

/** The pid of the cluster's proxy, from the file its worker keeps; undefined while there is none. */
function proxyPid(): number | undefined {
  const folder = path.join(cluster.dataDir, "run");
  const name = readdirSync(folder).find((one) => /^proxy-.*\.json$/.test(one));
  if (name === undefined) return undefined;
  try {
    const { pid } = JSON.parse(readFileSync(path.join(folder, name), "utf8")) as { pid: number };
    return pid > 0 ? pid : undefined;
  } catch {
    // Its worker has just replaced it.
    return undefined;
  }
}

async function killReplica(): Promise<void> {
  const [victim] = await whenWhole();
  assert.ok(victim);
  process.kill(victim.pid, "SIGKILL");
  await eventually(async () => ((await pids()).includes(victim.pid) ? undefined : true));
}

/** Kills a process the supervisor keeps, and waits for the next one. */
async function killSupervised(which: "workerPid" | "controllerPid"): Promise<void> {
  const victim = supervised()[which];
  process.kill(victim, "SIGKILL");
  await eventually(() => (supervised()[which] === victim || supervised()[which] === 0 ? undefined : true));
}

test("a killed replica costs an idempotent deployment no request, and is replaced", async () => {
  const report = await underLoad(killReplica);
  assert.deepEqual(report.failures, {});
});

test("a killed worker takes nothing with it, takes its replicas back and keeps them", async () => {
  await whenWhole();
  const before = await pids();
  const report = await underLoad(() => killSupervised("workerPid"));
  assert.deepEqual(report.failures, {});
  assert.deepEqual(await pids(), before);
  await killReplica();
  await whenWhole();
});

test("a killed controller stops no traffic, finds its replicas again and commands them", async () => {
  await whenWhole();
  const before = await pids();
  const report = await underLoad(() => killSupervised("controllerPid"));
  assert.deepEqual(report.failures, {});
  assert.deepEqual(await pids(), before);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("slow/app.ts", `${APP}// changed`)]);
  assert.equal(code, 0, err);
});

test("a killed proxy costs its own connections and no more, and listens again", async () => {
  const report = await underLoad(async () => {
    const victim = await eventually(proxyPid);
    process.kill(victim, "SIGKILL");
    await eventually(async () => {
      const now = proxyPid();
      if (now === undefined || now === victim) return undefined;
      return (await fetch(`${http}/-/readyz`).catch(() => undefined))?.status === 200 ? true : undefined;
    });
  });
  for (const cause of Object.keys(report.failures)) {
    assert.ok(["ECONNRESET", "ECONNREFUSED", "EPIPE", "truncated"].includes(cause), `unexpected ${cause}`);
  }
  const failed = report.sent - report.succeeded;
  assert.ok(failed < report.sent / 2, `${String(failed)} of ${String(report.sent)} failed`);
});
