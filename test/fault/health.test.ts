/**
 * Replicas that do not do their work, each in a way of its own: an endless loop, a long computation, a promise that never
 * settles, a batch that never ends, a leak, a process that stands still, one that crashes again and again. What is told apart,
 * what status says, what is done about it, and what callers see of it. Bounds are those of the table of faults.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ReplicaStatusView } from "../../core/status.ts";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, startCluster, type TestCluster } from "../integration/cluster.ts";
import { allReplicas, whenReady } from "../integration/cluster-processes.ts";

const APP = `
import { batch, deployment } from "thornback";

class Model {
  #stuck = batch({ maxBatchSize: 4 }, async (items: number[]) => {
    await new Promise(() => {});
    return items;
  });

  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/loop") for (;;);
    if (pathname === "/compute") {
      const end = Date.now() + 3_000;
      while (Date.now() < end);
    }
    if (pathname === "/hang") await new Promise(() => {});
    if (pathname === "/stuck") await this.#stuck(1);
    if (pathname === "/sleep") await new Promise((resolve) => setTimeout(resolve, 12_000));
    return Response.json(process.pid);
  }
}
export default deployment(Model, { numReplicas: 2, maxOngoingRequests: 8, requestTimeoutMs: 20_000 }).bind();
`;

const LEAKY = `
import { deployment } from "thornback";

const kept: Buffer[] = [];
class Leaky {
  async fetch(): Promise<Response> {
    kept.push(Buffer.alloc(512 * 1024, 1));
    return Response.json(process.pid);
  }
}
export default deployment(Leaky, { numReplicas: 2, memoryLimitBytes: 256 * 1024 * 1024 }).bind();
`;

const CRASHING = `
import { deployment } from "thornback";

class Crashing {
  setup() {
    setTimeout(() => process.kill(process.pid, "SIGKILL"), 500);
  }
  fetch() {
    return new Response("ok");
  }
}
export default deployment(Crashing).bind();
`;

let cluster: TestCluster;
let admin: string;

before(async () => {
  cluster = await startCluster();
  admin = String(cluster.admin);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("model/app.ts", APP)]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

type Answer = { readonly status: number; readonly pid: unknown; readonly tookMs: number };

async function ask(path: string, timeoutMs: number, method = "POST"): Promise<Answer> {
  const sentAt = performance.now();
  const headers = { "x-thornback-timeout-ms": String(timeoutMs) };
  const response = await fetch(new URL(path, cluster.http), { method, headers });
  const text = await response.text();
  const tookMs = performance.now() - sentAt;
  return { status: response.status, pid: response.ok ? JSON.parse(text) : text, tookMs };
}

/** The first replica that is as it is looked for, and how long that took. */
async function whenReplica(
  look: (replica: ReplicaStatusView) => boolean,
  withinMs: number,
): Promise<ReplicaStatusView & { readonly afterMs: number }> {
  const since = performance.now();
  const found = await eventually(async () => (await allReplicas(admin)).find(look), withinMs);
  return { ...found, afterMs: performance.now() - since };
}

test("an endless loop is seen when its request's deadline has passed, and costs only its own request", async () => {
  await whenReady(admin, 2);
  const deadlineMs = 2_000;
  const looping = ask("/loop", deadlineMs);
  const busy = await whenReplica(({ health }) => health === "busy", deadlineMs + 1_000);
  assert.match(busy.reason, /^busy: its event loop has not run for/);
  const { status, tookMs } = await looping;
  assert.equal(status, 504);
  assert.ok(tookMs < deadlineMs + 1_000, `504 after ${tookMs} ms`);
  const blocked = await whenReplica(({ health }) => health === "blocked", 5_000);
  assert.ok(blocked.afterMs < 1_000, `seen ${blocked.afterMs} ms after the deadline`);
  assert.match(blocked.reason, /^blocked: its event loop has not run for .*; it ends in/);
  const blockedAt = performance.now();
  for (const answer of await Promise.all(Array.from({ length: 6 }, () => ask("/", 5_000)))) {
    assert.deepEqual([answer.status, answer.pid === blocked.pid], [200, false]);
  }
  const replaced = await whenReady(admin, 2, [blocked.pid]);
  const replacedMs = performance.now() - blockedAt;
  console.log(
    `endless loop: 504 after ${Math.round(tookMs)} ms of ${deadlineMs}, seen ${Math.round(blocked.afterMs)} ms after the ` +
      `answer, replaced ${Math.round(replacedMs)} ms after that`,
  );
  assert.ok(replacedMs < 5_000, `replaced after ${replacedMs} ms`);
  assert.equal(replaced.find(({ id }) => id === blocked.id)?.restarts, 1);
  const metrics = await (await fetch(new URL("/-/metrics", cluster.http))).text();
  assert.match(metrics, /thornback_replica_restarts_total\{[^}]*reason="blocked"[^}]*\} 1/);
  assert.match(metrics, /thornback_replica_event_loop_lag_seconds_count\{/);
});

test("a synchronous model of 3 s is busy, and not killed", async () => {
  const before = (await whenReady(admin, 2)).map(({ pid }) => pid);
  const computing = ask("/compute", 20_000);
  await whenReplica(({ health }) => health === "busy", 3_000);
  const { status, tookMs } = await computing;
  console.log(`a synchronous computation of 3 s: ${status} after ${Math.round(tookMs)} ms`);
  assert.equal(status, 200);
  const after = await whenReady(admin, 2);
  assert.deepEqual(
    after.map(({ pid }) => pid),
    before,
  );
  await eventually(async () => (await allReplicas(admin)).every(({ health }) => health === "beating") || undefined);
});

test("a promise that never settles gets 504 at its deadline, and its slot is free again", async () => {
  const before = (await whenReady(admin, 2)).map(({ pid }) => pid);
  const answers = await Promise.all(Array.from({ length: 16 }, () => ask("/hang", 1_000)));
  for (const { status, tookMs } of answers) {
    assert.equal(status, 504);
    assert.ok(tookMs < 2_000, `504 after ${tookMs} ms`);
  }
  const slowestMs = Math.max(...answers.map(({ tookMs }) => tookMs));
  const next = await Promise.all(Array.from({ length: 16 }, () => ask("/", 5_000)));
  console.log(
    `16 hung promises: 504 after ${Math.round(slowestMs)} ms of 1000 at the latest; then ${next.length} answered within ` +
      `${Math.round(Math.max(...next.map(({ tookMs }) => tookMs)))} ms`,
  );
  assert.deepEqual([...new Set(next.map(({ status }) => status))], [200]);
  const after = (await whenReady(admin, 2)).map(({ pid }) => pid);
  assert.deepEqual(after, before);
});

test("a batch that never ends has its replica replaced first, and what else is ongoing there finishes", async () => {
  await whenReady(admin, 2);
  // On both replicas, so that one of them is to be waited for.
  const sleeping = Array.from({ length: 4 }, () => ask("/sleep", 20_000));
  const { status } = await ask("/stuck", 1_000);
  assert.equal(status, 504);
  const stuck = await whenReplica(({ reason }) => reason.startsWith("the batch handler of batch 1 has not"), 15_000);
  console.log(`a batch that never ends: seen ${Math.round(stuck.afterMs)} ms after the 504`);
  assert.equal(stuck.state, "ready", "its replacement comes first");
  const others = await Promise.all(Array.from({ length: 6 }, () => ask("/", 5_000)));
  assert.deepEqual([...new Set(others.map((answer) => answer.status))], [200]);
  assert.ok(!others.some(({ pid }) => pid === stuck.pid), "it takes nothing new");
  const slept = await Promise.all(sleeping);
  assert.deepEqual([...new Set(slept.map((answer) => answer.status))], [200]);
  assert.ok(slept.some(({ pid }) => pid === stuck.pid));
  const replicas = await whenReady(admin, 2, [stuck.pid]);
  assert.ok(!replicas.some(({ id }) => id === stuck.id), "another took its place");
});

test("a process that stands still is killed within 10 s", async () => {
  const [victim] = await whenReady(admin, 2);
  assert.ok(victim);
  process.kill(victim.pid, "SIGSTOP");
  const since = performance.now();
  const failed = await whenReplica(({ state, id }) => id === victim.id && state === "failed", 15_000);
  const seenMs = performance.now() - since;
  console.log(`a process that stands still: killed after ${Math.round(seenMs)} ms`);
  assert.ok(seenMs < 10_000);
  assert.match(failed.reason, /stood still/);
  await whenReady(admin, 2, [victim.pid]);
});

test("replicas that leak are replaced before they get to their limit, and no request is lost", async () => {
  assert.equal((await cluster.serve(["delete", "model"])).code, 0);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("leaky/app.ts", LEAKY)]);
  assert.equal(code, 0, err);
  const first = (await whenReady(admin, 2)).map(({ pid }) => pid);
  const load = startLoad({ url: cluster.http, method: "GET", ratePerSecond: 60, timeoutMs: 10_000 });
  const reasons = new Set<string>();
  await eventually(async () => {
    const replicas = await allReplicas(admin);
    for (const { reason } of replicas) reasons.add(reason.replaceAll(/\d+ MiB of/g, "N of"));
    return replicas.some(({ pid }) => first.includes(pid)) ? undefined : true;
  }, 60_000);
  const { sent, failures } = await load.stop();
  console.log(`leak: both replicas recycled; ${sent} requests, failures ${JSON.stringify(failures)}`);
  assert.deepEqual(failures, {});
  assert.ok(reasons.has("uses N of 256 MiB (memoryLimitBytes): being replaced"), [...reasons].join("\n"));
});

test("a crash loop is seen to wait before each start", async () => {
  assert.equal((await cluster.serve(["delete", "leaky"])).code, 0);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("crashing/app.ts", CRASHING)]);
  assert.equal(code, 0, err);
  const waiting = await whenReplica(({ reason }) => /restarts in [\d.]+ s \(attempt [4-9]\)$/.test(reason), 60_000);
  assert.match(waiting.reason, /^killed by SIGKILL; restarts in/);
  console.log(`crash loop: ${waiting.reason} (after ${waiting.restarts} restarts)`);
  assert.equal(waiting.state, "failed");
  assert.ok(waiting.restarts >= 3);
});
