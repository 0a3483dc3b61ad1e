import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ClusterStatus, DemandView, ReplicaStatusView } from "../../core/status.ts";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, post, startCluster, type TestCluster } from "./cluster.ts";

const APP = `
import { deployment } from "thornback";

class Where {
  async predict() {
    return { pid: process.pid, answer: "ANSWER" };
  }
}
export default deployment(Where, OPTIONS).bind();
`;

let head: TestCluster;
let other: TestCluster;

before(async () => {
  head = await startCluster(["--resources", "cpus=4"]);
  other = await startCluster(["--join", String(head.grpc), "--resources", "cpus=4"]);
  await eventually(async () => ((await status()).nodes.length === 2 ? true : undefined));
});

after(async () => {
  await other.close();
  await head.close();
});

function status(): Promise<ClusterStatus> {
  return head.status();
}

async function deploy(name: string, options: string, answer = "one"): Promise<void> {
  const text = APP.replace("OPTIONS", options).replace("ANSWER", answer);
  const file = head.project.write(`${name}/app.ts`, text);
  const { code, err } = await head.serve(["deploy", file, "--route-prefix", `/${name}`]);
  assert.equal(code, 0, err);
}

async function replicasOf(name: string): Promise<readonly ReplicaStatusView[]> {
  const application = (await status()).applications.find((one) => one.name === name);
  return application?.deployments.flatMap(({ replicas }) => replicas) ?? [];
}

/** Id of the node whose proxy answers there. */
async function nodeAt(cluster: TestCluster): Promise<string> {
  const node = (await status()).nodes.find(({ httpUrl }) => httpUrl === cluster.http);
  assert.ok(node);
  return node.id;
}

function loadOf(name: string): ReturnType<typeof startLoad> {
  const headers = { "content-type": "application/json" };
  const options = { method: "POST", headers, body: "{}", ratePerSecond: 50, timeoutMs: 10_000 } as const;
  return startLoad({ ...options, url: `${head.http}/${name}` });
}

test("a drained node's replicas are replaced before they leave, nothing fails, and its proxy sends load balancers away", async () => {
  await deploy("where", "{ numReplicas: 4 }");
  const node = await nodeAt(other);
  const before = (await replicasOf("where")).filter(({ nodeId }) => nodeId === node);
  assert.equal(before.length, 2);
  const load = loadOf("where");
  let fewest = 4;
  let isDraining = true;
  const watching = (async () => {
    while (isDraining) {
      const ready = (await replicasOf("where")).filter(({ state }) => state === "ready");
      fewest = Math.min(fewest, ready.length);
    }
  })();
  const drained = await head.serve(["nodes", "drain", node, "--deadline", "60s"]);
  isDraining = false;
  await watching;
  assert.equal(drained.code, 0, drained.err);
  assert.match(drained.err, /is drained: nothing runs on it/);
  assert.equal(fewest, 4, "replacements were ready before anything left");
  assert.ok((await replicasOf("where")).every(({ nodeId, state }) => nodeId !== node && state === "ready"));
  assert.deepEqual((await load.stop()).failures, {});

  await eventually(async () => ((await fetch(`${other.http}/-/readyz`)).status === 503 ? true : undefined));
  assert.equal((await post(`${other.http}/where`, {})).status, 200, "who comes all the same is served");
  const listed = await head.serve(["nodes"]);
  assert.match(listed.out, new RegExp(`${node} +draining +0 replicas .*drained: nothing runs on it`));
  await deploy("later", "{ numReplicas: 2 }");
  assert.ok((await replicasOf("later")).every(({ nodeId }) => nodeId !== node));

  assert.equal((await head.serve(["nodes", "undrain", node])).code, 0);
  await eventually(async () => ((await fetch(`${other.http}/-/readyz`)).status === 200 ? true : undefined));
  await deploy("again", "{ numReplicas: 2 }");
  assert.ok((await replicasOf("again")).some(({ nodeId }) => nodeId === node));
  const unknown = await head.serve(["nodes", "drain", "node-none"]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /there is no node "node-none"/);
});

test("a node that is told to end is emptied as a drained one, without anybody asking", async () => {
  const third = await startCluster(["--join", String(head.grpc), "--resources", "cpus=4"]);
  await eventually(async () => ((await status()).nodes.length === 3 ? true : undefined));
  await deploy("ends", "{ numReplicas: 3 }");
  const node = await nodeAt(third);
  assert.equal((await replicasOf("ends")).filter(({ nodeId }) => nodeId === node).length, 1);
  const load = loadOf("ends");
  let fewest = 3;
  let isEnding = true;
  const watching = (async () => {
    while (isEnding)
      fewest = Math.min(fewest, (await replicasOf("ends")).filter(({ state }) => state === "ready").length);
  })();
  await third.close();
  isEnding = false;
  await watching;
  assert.equal(fewest, 3);
  assert.deepEqual((await load.stop()).failures, {});
  assert.equal((await head.serve(["delete", "ends"])).code, 0);
});

test("what nothing else has room for stays until its share of the deadline, is shown as demand, and ends by then", async () => {
  const node = await nodeAt(other);
  await deploy("large", "{ resources: { cpus: 2.5 }, numReplicas: 2, gracefulShutdownTimeoutMs: 1000 }");
  const asked = await head.serve(["nodes", "drain", node, "--deadline", "3s", "--no-wait", "--json"]);
  assert.equal(asked.code, 0, asked.err);
  const { deadlineAt } = JSON.parse(asked.out) as { deadlineAt: string };
  const demand = await eventually(async () => {
    const answer = (await (await fetch(`${head.admin}/api/v1/demand`)).json()) as DemandView;
    return answer.pending.length > 0 ? answer : undefined;
  });
  assert.deepEqual(demand.resources, { cpus: 2.5 });
  assert.match(demand.pending[0]?.reason ?? "", /the node is draining/);
  const { out } = await head.serve(["status"]);
  assert.match(out, /1 replica fits on no node \(cpus 2\.5\), large\/Where since /);
  await eventually(async () => {
    const view = (await status()).nodes.find(({ id }) => id === node);
    return view?.replicas === 0 ? true : undefined;
  });
  assert.ok(Date.now() < Date.parse(deadlineAt) + 5_000);
  assert.equal((await head.serve(["nodes", "undrain", node])).code, 0);
  assert.equal((await head.serve(["delete", "large"])).code, 0);
});

test("a scaled deployment keeps its count over a deploy of the same numReplicas", async () => {
  await deploy("scaled", "{ numReplicas: 1 }");
  const { code, err } = await head.serve(["scale", "scaled/Where", "3"]);
  assert.equal(code, 0, err);
  const ready = async (): Promise<number> =>
    (await replicasOf("scaled")).filter(({ state }) => state === "ready").length;
  await eventually(async () => ((await ready()) === 3 ? true : undefined));
  await deploy("scaled", "{ numReplicas: 1 }", "two");
  assert.equal(await ready(), 3);
  await deploy("scaled", "{ numReplicas: 2 }", "two");
  await eventually(async () => ((await ready()) === 2 ? true : undefined));
  assert.equal((await head.serve(["scale", "scaled/Where", "many"])).code, 64);
  assert.equal((await head.serve(["scale", "scaled/None", "1"])).code, 1);
  assert.equal((await head.serve(["delete", "scaled"])).code, 0);
});

test("a rollback brings back the version that served before, or any that is kept, and fails no request", async () => {
  for (const answer of ["one", "two", "three"]) await deploy("back", "{ numReplicas: 1 }", answer);
  const load = loadOf("back");
  const answer = async (): Promise<unknown> =>
    ((await post(`${head.http}/back`, {})).body as { answer: unknown }).answer;
  const { code, err, out } = await head.serve(["rollback", "back"]);
  assert.equal(code, 0, err);
  assert.match(err, /Where replaced/);
  assert.match(out, /\/back/);
  assert.equal(await answer(), "two");
  const missing = await head.serve(["rollback", "back", "--to", "0123456789"]);
  assert.equal(missing.code, 1);
  const [, kept = ""] = /kept are (.*)/.exec(missing.err) ?? [];
  const versions = kept.split(", ");
  assert.equal(versions.length, 3);
  assert.match(versions[0] ?? "", /the current one/);
  const oldest = versions.at(-1)?.slice(0, 8) ?? "";
  const again = await head.serve(["rollback", "back", "--to", oldest, "--json"]);
  assert.equal(again.code, 0, again.err);
  assert.match((JSON.parse(again.out) as { version: string }).version, new RegExp(`^${oldest}`));
  assert.equal(await answer(), "one");
  assert.deepEqual((await load.stop()).failures, {});
});
