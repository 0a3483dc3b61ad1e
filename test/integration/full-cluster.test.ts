/**
 * A cluster with less room than is asked for: who gets what becomes free, in the order that docs/autoscaling.md states, and
 * where it is said who waits. Counts follow metrics that the test pushes, so that every step is exact.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { DemandView } from "../../core/status.ts";
import { eventually, startCluster, type TestCluster } from "./cluster.ts";

/** Six CPUs, one to each replica: `ballast` has four of them, and gives one back at a time. */
const APP = `
import { application, deployment } from "thornback";

class Model { async predict() { return "ok"; } }
const scaled = (name) => deployment(Model, {
  name, resources: { cpus: 1 }, autoscaling: { maxReplicas: 10, metric: { name: "jobs", targetPerReplica: 1 } },
}).bind();
export default [
  application(deployment(Model, { name: "ballast", numReplicas: 4, resources: { cpus: 1 } }).bind(), { name: "ballast", routePrefix: "/ballast" }),
  application(scaled("wide"), { name: "wide", routePrefix: "/wide" }),
  application(scaled("narrow"), { name: "narrow", routePrefix: "/narrow" }),
];
`;
const LATE = `
import { deployment } from "thornback";

class Model { async predict() { return "ok"; } }
export default deployment(Model, { name: "late", numReplicas: 2, resources: { cpus: 1 } }).bind();
`;
const SCALED_WITHIN_MS = 20_000;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster(["--resources", "cpus=6"]);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("full/app.ts", APP)]);
  assert.equal(code, 0, err);
});

after(() => cluster.close());

async function pushMetric(name: string, value: number): Promise<void> {
  const url = `${cluster.admin}/api/v1/applications/${name}/deployments/${name}/metric`;
  const headers = { "content-type": "application/json" };
  const { status } = await fetch(url, { method: "POST", headers, body: JSON.stringify({ value }) });
  assert.equal(status, 202);
}

/** Replicas that are ready of each deployment. */
async function readyCounts(): Promise<Readonly<Record<string, number>>> {
  const { applications } = await cluster.status();
  const deployments = applications.flatMap((each) => each.deployments);
  return Object.fromEntries(
    deployments.map(({ name, replicas }) => [name, replicas.filter(({ state }) => state === "ready").length]),
  );
}

/** How many of which deployment fit on no node, the longest waiting first. */
async function waiting(): Promise<readonly (readonly [string, number])[]> {
  const demand = (await (await fetch(`${cluster.admin}/api/v1/demand`)).json()) as DemandView;
  return demand.pending.map(({ deployment, count }) => [deployment, count]);
}

/** Frees one CPU with a command and returns the deployment that got it. */
async function afterGivingBack(...command: readonly string[]): Promise<string> {
  const before = await readyCounts();
  const { code, err } = await cluster.serve(command);
  assert.equal(code, 0, err);
  return eventually(async () => {
    const counts = await readyCounts();
    return Object.keys(counts).find((name) => name !== "ballast" && (counts[name] ?? 0) > (before[name] ?? 0));
  }, SCALED_WITHIN_MS);
}

test("what becomes free in a full cluster goes round in the stated order, and it is said who waits for what", async () => {
  await pushMetric("wide", 4);
  await eventually(async () => ((await waiting())[0]?.[1] === 3 ? true : undefined), SCALED_WITHIN_MS);
  await pushMetric("narrow", 2);
  await eventually(async () => ((await waiting()).length === 2 ? true : undefined), SCALED_WITHIN_MS);
  const file = cluster.project.write("late/app.ts", LATE);
  assert.equal((await cluster.serve(["deploy", file, "--route-prefix", "/late", "--no-wait"])).code, 0);
  await eventually(async () => ((await waiting()).length === 3 ? true : undefined), SCALED_WITHIN_MS);

  assert.deepEqual(await waiting(), [
    ["wide/wide", 3],
    ["narrow/narrow", 1],
    ["late/late", 2],
  ]);
  const { out: status } = await cluster.serve(["status"]);
  const { out: explained } = await cluster.serve(["explain", "late/late"]);
  console.log(`${status}\n${explained}`);
  assert.match(status, /wide .*1\/4 ready/);
  assert.match(explained, /is pending: .*cpus/);
  const metrics = await (await fetch(`${cluster.admin}/api/v1/metrics`)).text();
  assert.match(metrics, /^thornback_pending_resources\{[^}]*resource="cpus"[^}]*\} 6$/m);

  const order: string[] = [];
  for (const left of ["3", "2", "1"]) order.push(await afterGivingBack("scale", "ballast/ballast", left));
  order.push(await afterGivingBack("delete", "ballast"));
  console.log(`what was given back went to ${order.join(", ")}; still waiting: ${JSON.stringify(await waiting())}`);
  // A first replica; the rest of a declared count; 1 of 4 before 1 of 2; and of 2 of 4 and 1 of 2 what waits longer.
  assert.deepEqual(order, ["late", "late", "wide", "wide"]);
  assert.deepEqual(await waiting(), [
    ["wide/wide", 1],
    ["narrow/narrow", 1],
  ]);
});
