/**
 * Deployments that scale by themselves, with default settings: a step of load, its end, zero and back, and that each
 * scales on its own. Prints how long each took; what is asserted is generous, for machines are shared.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import type { DeploymentStatusView } from "../../core/status.ts";
import { startLoad } from "../../load/open-loop.ts";
import type { LoadReport } from "../../load/load-report.ts";
import { eventually, post, startCluster, type TestCluster } from "./cluster.ts";

/** A replica does 50 requests a second, one at a time. */
const APP = `
import { batch, deployment } from "thornback";

class Model {
  #run = batch({ maxBatchSize: 1 }, async (items) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return items;
  });
  async translate(text) { return this.#run(text); }
  async predict(input) { return this.#run(input); }
}
class Router {
  #fr; #es;
  constructor(fr, es) { this.#fr = fr; this.#es = es; }
  async predict({ to, text }) { return to === "fr" ? this.#fr.translate(text) : this.#es.translate(text); }
}
const scales = (name, more) =>
  deployment(Model, { name, maxOngoingRequests: 4, resources: { cpus: 0.01 }, autoscaling: { maxReplicas: 8, ...more } });
const fr = scales("translate-fr", { downscaleDelayMs: DOWN }).bind();
const es = scales("translate-es", {}).bind();
const zero = scales("rests", { minReplicas: 0, scaleToZeroDelayMs: 1_500 }).bind();
const pushed = scales("pushed", { metric: { name: "jobs", targetPerReplica: 10 } }).bind();
const scraped = scales("scraped", { metric: { name: "jobs", targetPerReplica: 10, url: "METRICS_URL" } }).bind();
const ruled = scales("ruled", { policy: ({ target, minReplicas }) => (target < 3 ? target + 1 : minReplicas + 2) }).bind();
export default [
  application(deployment(Router, { maxOngoingRequests: 500, resources: { cpus: 0.01 } }).bind(fr, es), { name: "translate", routePrefix: "/translate" }),
  application(ruled, { name: "ruled", routePrefix: "/ruled" }),
  application(pushed, { name: "pushed", routePrefix: "/pushed" }),
  application(scraped, { name: "scraped", routePrefix: "/scraped" }),
  application(zero, { name: "rests", routePrefix: "/rests" }),
];
`.replace("{ batch, deployment }", "{ application, batch, deployment }");

const REPLICA_PER_SECOND = 50;
const TARGET_WITHIN_MS = 20_000;
const DOWN_WITHIN_MS = 60_000;

/** Where something else tells its jobs as Prometheus text. */
const exporter = createServer((_, response) => void response.end('jobs{queue="a"} 15\njobs{queue="b"} 10\nother 99\n'));

let cluster: TestCluster;

before(async () => {
  await new Promise<void>((resolve) => exporter.listen(0, "127.0.0.1", resolve));
  cluster = await startCluster(["--resources", "cpus=8"]);
  const file = cluster.project.write("app.ts", appText("5_000"));
  const { code, err } = await cluster.serve(["deploy", file]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
  exporter.close();
});

function appText(downscaleDelayMs: string): string {
  const { port } = exporter.address() as AddressInfo;
  return APP.replace("DOWN", downscaleDelayMs).replace("METRICS_URL", `http://127.0.0.1:${port}/metrics`);
}

async function deployment(name: string): Promise<DeploymentStatusView> {
  const { applications } = await cluster.status();
  const found = applications.flatMap(({ deployments }) => deployments).find((one) => one.name === name);
  assert.ok(found !== undefined, `there is no ${name}`);
  return found;
}

const readyOf = ({ replicas }: DeploymentStatusView): number =>
  replicas.filter(({ state }) => state === "ready").length;

async function underLoad(
  body: unknown,
  ratePerSecond: number,
  during: (elapsedMs: () => number) => Promise<void>,
): Promise<LoadReport> {
  const startedAt = performance.now();
  const load = startLoad({
    ...{ url: `${cluster.http}/translate`, method: "POST", headers: { "content-type": "application/json" } },
    ...{ body: JSON.stringify(body), ratePerSecond, timeoutMs: 30_000 },
  });
  try {
    await during(() => performance.now() - startedAt);
  } finally {
    await load.stop();
  }
  return load.stop();
}

describe("autoscaling", () => {
  it("follows a step to four times a replica's capacity, alone, and goes back without turning round", async () => {
    const targets: number[] = [];
    const look = async (): Promise<DeploymentStatusView> => {
      const seen = await deployment("translate-fr");
      if (targets.at(-1) !== seen.targetReplicas) targets.push(seen.targetReplicas);
      return seen;
    };
    const report = await underLoad({ to: "fr", text: "hello" }, 4 * REPLICA_PER_SECOND, async (elapsedMs) => {
      const reached = await eventually(async () => {
        const seen = await look();
        return seen.targetReplicas >= 4 && readyOf(seen) >= seen.targetReplicas ? seen : undefined;
      }, TARGET_WITHIN_MS);
      console.log(`${reached.targetReplicas} replicas at target after ${Math.round(elapsedMs())} ms`);
      await eventually(() => (elapsedMs() >= 10_000 ? true : undefined), TARGET_WITHIN_MS);
      await look();
    });
    console.log(`step: ${JSON.stringify(report.outcomes)}, p99 ${report.latency.p99Ms} ms`);
    assert.deepEqual(report.failures, {});
    assert.equal((await deployment("translate-es")).targetReplicas, 1, "the other one is not asked for anything");
    await eventually(async () => ((await look()).targetReplicas === 1 ? true : undefined), DOWN_WITHIN_MS);
    console.log(`targets: ${targets.join(" → ")}`);
    const turns = targets.filter(
      (count, i) =>
        i > 1 && Math.sign(count - (targets[i - 1] ?? 0)) !== Math.sign((targets[i - 1] ?? 0) - (targets[i - 2] ?? 0)),
    );
    assert.ok(turns.length <= 1, `targets went ${targets.join(" → ")}`);
  });

  it("goes to zero when nobody asks, and from zero answers one request, then a hundred at once", async () => {
    const atZero = (): Promise<true> =>
      eventually(async () => {
        const { targetReplicas, replicas } = await deployment("rests");
        return targetReplicas === 0 && replicas.length === 0 ? true : undefined;
      }, DOWN_WITHIN_MS);
    await atZero();
    const startedAt = performance.now();
    const { status, body } = await post(`${cluster.http}/rests`, "hello");
    console.log(`from zero: ${Math.round(performance.now() - startedAt)} ms`);
    assert.deepEqual([status, body], [200, "hello"]);
    await atZero();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => post(`${cluster.http}/rests`, i)));
    assert.deepEqual(
      answers.map(({ status: each, body: answer }) => [each, answer]),
      answers.map((_, i) => [200, i]),
    );
  });

  it("leaves the count to a policy of the user's, which runs in a replica", async () => {
    await eventually(async () => (readyOf(await deployment("ruled")) === 3 ? true : undefined), TARGET_WITHIN_MS);
    assert.equal((await deployment("ruled")).targetReplicas, 3);
  });

  it("follows a metric that is pushed, and one that it reads from a URL", async () => {
    const reach = (name: string, count: number): Promise<true> =>
      eventually(async () => (readyOf(await deployment(name)) === count ? true : undefined), TARGET_WITHIN_MS);
    const { status } = await post(`${cluster.admin}/api/v1/applications/pushed/deployments/pushed/metric`, {
      value: 35,
    });
    assert.equal(status, 202);
    const pushedAt = performance.now();
    await reach("pushed", 4);
    console.log(`35 jobs pushed, 10 to a replica: 4 replicas after ${Math.round(performance.now() - pushedAt)} ms`);
    await reach("scraped", 3);
    assert.match((await cluster.serve(["explain", "scraped/scraped"])).out, /asked for: .*metric 2\.5/);
  });

  it("keeps the count when it is deployed again, and explains it", async () => {
    const { code, err } = await cluster.serve(["scale", "translate/translate-es", "3"]);
    assert.equal(code, 0, err);
    await eventually(
      async () => (readyOf(await deployment("translate-es")) === 3 ? true : undefined),
      TARGET_WITHIN_MS,
    );
    const file = cluster.project.write("app.ts", appText("600_000"));
    assert.equal((await cluster.serve(["deploy", file])).code, 0);
    assert.equal((await deployment("translate-es")).targetReplicas, 3);
    const { out } = await cluster.serve(["explain", "translate/translate-fr"]);
    assert.match(out, /loadRose|burst/);
    console.log(out);
  });
});
