/**
 * One replica of three does not answer any more (SIGSTOP), or answers a hundred times slower than the others, under a
 * constant load: only what was ongoing there may suffer, and only where it cannot be sent again.
 */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { startLoad } from "../../load/open-loop.ts";
import type { Ending } from "../../load/load-report.ts";
import { eventually, startCluster, type TestCluster } from "../integration/cluster.ts";
import { whenReady } from "../integration/cluster-processes.ts";

const RATE_PER_SECOND = 150;
const SLOTS = 16;
const DEADLINE_MS = 3_000;
const SLOW_MS = 2_000;
/** A silent replica is asked after 250 ms and given up 500 ms later, on a busy machine later; then nothing goes there. */
const NOTICED_MS = 2_500;

/** GET is idempotent, POST is not. The replica whose pid stands in the file is slow. */
const APP = `
import { readFileSync } from "node:fs";
import { deployment } from "thornback";

const isSlow = (): boolean => {
  try {
    return readFileSync(SLOW_FILE, "utf8") === String(process.pid);
  } catch {
    return false;
  }
};

class Model {
  async fetch(): Promise<Response> {
    await new Promise((resolve) => setTimeout(resolve, isSlow() ? ${SLOW_MS} : 20));
    return Response.json(process.pid);
  }
}
export default deployment(Model, { numReplicas: 3, maxOngoingRequests: ${SLOTS}, requestTimeoutMs: ${DEADLINE_MS} }).bind();
`;

let cluster: TestCluster;
let slowFile: string;
let pids: readonly number[];

before(async () => {
  cluster = await startCluster();
  slowFile = path.join(cluster.project.dir, "slow");
  const text = APP.replace("SLOW_FILE", JSON.stringify(slowFile));
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("model/app.ts", text)]);
  assert.equal(code, 0, err);
  pids = (await whenReady(String(cluster.admin), 3)).map(({ pid }) => pid);
});

afterEach(async () => {
  rmSync(slowFile, { force: true });
  for (const pid of pids) process.kill(pid, "SIGCONT");
  await whenServing(pids);
});

after(async () => {
  await cluster.close();
});

/** Resolves when each of these replicas has answered again, and none of the others had to be replaced. */
async function whenServing(expected: readonly number[]): Promise<void> {
  const missing = new Set(expected);
  await eventually(async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => fetch(cluster.http)));
    for (const answer of answers) missing.delete((await answer.json()) as number);
    return missing.size === 0 ? true : undefined;
  }, 20_000);
}

/** The whole course of a load: `fault` after a second of it, then as many seconds as are said. */
async function underLoad(method: "GET" | "POST", seconds: number, fault: () => void): Promise<readonly Ending[]> {
  const endings: Ending[] = [];
  const url = cluster.http;
  const onEnding = (ending: Ending): void => void endings.push(ending);
  const load = startLoad({ url, method, ratePerSecond: RATE_PER_SECOND, timeoutMs: 10_000, onEnding });
  try {
    for (const [at, act] of [fault, () => {}].entries()) {
      await eventually(() => (load.sent >= RATE_PER_SECOND * (1 + at * seconds) ? true : undefined), 60_000);
      act();
    }
  } finally {
    const { outcomes, latency } = await load.stop();
    console.log(`${method}: ${JSON.stringify({ outcomes, p99Ms: latency.p99Ms })}`);
  }
  return endings;
}

function stopOne(): { readonly pid: number; readonly at: number } {
  const pid = pids[0] ?? 0;
  process.kill(pid, "SIGSTOP");
  return { pid, at: performance.now() };
}

test("a replica that is stopped costs an idempotent request nothing, and serves again when it goes on", async () => {
  const endings = await underLoad("GET", 3, stopOne);
  assert.deepEqual(
    endings.filter(({ outcome }) => outcome !== "200"),
    [],
  );
});

test("a replica that is stopped costs only what was ongoing there, each at its deadline", async () => {
  let stoppedAt = 0;
  const endings = await underLoad("POST", 4, () => (stoppedAt = stopOne().at));
  const failed = endings.filter(({ outcome }) => outcome !== "200");
  assert.ok(failed.length > 0 && failed.length <= SLOTS, `${failed.length} failed`);
  for (const { outcome, dueAt, endedAt } of failed) {
    assert.equal(outcome, "504");
    const [sentAfterMs, tookMs] = [dueAt - stoppedAt, endedAt - dueAt];
    assert.ok(sentAfterMs < NOTICED_MS, `sent ${sentAfterMs} ms after its replica was stopped`);
    assert.ok(tookMs >= DEADLINE_MS - 50 && tookMs < DEADLINE_MS + 1_000, `504 after ${tookMs} ms`);
  }
});

test("a replica that is a hundred times slower gets one request at a time, and its share when it is as fast", async () => {
  const endings = await underLoad("POST", 12, () => writeFileSync(slowFile, String(pids[0])));
  assert.deepEqual(
    endings.filter(({ outcome }) => outcome !== "200"),
    [],
  );
  const metrics = await (await fetch(`${cluster.http}/-/metrics`)).text();
  assert.match(metrics, /^thornback_router_ejections_total\{[^}]*reason="slow"[^}]*\} [1-9]/m);
  // From 20 slow answers on it is left out: those sent in the last four seconds were probes, three at most, and what a
  // busy machine made late. Were it not left out, its 16 slots would make it 32.
  const lastAt = Math.max(...endings.map(({ dueAt }) => dueAt));
  const late = endings.filter(({ dueAt, endedAt }) => lastAt - dueAt < 4_000 && endedAt - dueAt >= SLOW_MS);
  assert.ok(late.length <= 12, `${late.length} of ${4 * RATE_PER_SECOND} were slow`);
});
