import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import type { ClusterStatus, ReplicaStatusView } from "../../core/status.ts";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, post, processesOf, startCluster, type TestCluster } from "./cluster.ts";

const APP = `
import { deployment } from "thornback";

class Where {
  async predict() {
    return { pid: process.pid, gpus: process.env.CUDA_VISIBLE_DEVICES ?? null };
  }
}
export default deployment(Where, OPTIONS).bind();
`;

let head: TestCluster;
const others: TestCluster[] = [];

before(async () => {
  head = await startCluster(["--resources", "cpus=4"]);
  assert.ok(head.grpc);
  others.push(await startCluster(["--join", head.grpc, "--resources", "cpus=4"]));
  others.push(await startCluster(["--join", head.grpc, "--resources", "cpus=4,gpus=2"]));
  await eventually(async () => ((await status()).nodes.length === 3 ? true : undefined));
});

after(async () => {
  for (const other of others) await other.close();
  await head.close();
});

function status(): Promise<ClusterStatus> {
  return head.status();
}

/** Deploys the application under a name of its own with these options. */
async function deploy(
  name: string,
  options: string,
  ...flags: string[]
): Promise<{ code: number | null; err: string }> {
  const file = head.project.write(`${name}/app.ts`, APP.replace("OPTIONS", options));
  return head.serve(["deploy", file, "--route-prefix", `/${name}`, ...flags]);
}

async function replicasOf(name: string): Promise<readonly ReplicaStatusView[]> {
  const application = (await status()).applications.find((one) => one.name === name);
  return application?.deployments.flatMap(({ replicas }) => replicas) ?? [];
}

function countByNode(replicas: readonly ReplicaStatusView[]): number[] {
  const counts = new Map<string, number>();
  for (const { nodeId } of replicas) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  return [...counts.values()].sort();
}

test("six replicas spread evenly over three nodes; a proxy takes those of its node, and all of them when they are busy", async () => {
  const { code, err } = await deploy("spread", "{ numReplicas: 6, maxOngoingRequests: 1 }");
  assert.equal(code, 0, err);
  const replicas = await replicasOf("spread");
  assert.deepEqual(countByNode(replicas), [2, 2, 2]);
  for (const { http } of [head, ...others]) {
    assert.ok(http);
    const answered = new Set<number>();
    const ask = async (): Promise<void> => {
      const { status: code, body } = await post(`${http}/spread`, {});
      assert.equal(code, 200);
      answered.add((body as { pid: number }).pid);
    };
    for (let asked = 0; asked < 20; asked++) await ask();
    const nodes = replicas.filter(({ pid }) => pid !== undefined && answered.has(pid)).map(({ nodeId }) => nodeId);
    assert.equal(new Set(nodes).size, 1, "one request at a time stays on one node");
    await eventually(async () => {
      await Promise.all(Array.from({ length: 24 }, ask));
      return answered.size === 6 ? true : undefined;
    });
    assert.deepEqual([...answered].sort(), replicas.map(({ pid }) => pid).sort());
  }
});

test("half a GPU lands where GPUs are declared, two to a device, each seeing only its own", async () => {
  const { code, err } = await deploy("half", "{ numReplicas: 4, resources: { gpus: 0.5 } }");
  assert.equal(code, 0, err);
  const replicas = await replicasOf("half");
  const [node, ...rest] = new Set(replicas.map(({ nodeId }) => nodeId));
  assert.deepEqual(rest, []);
  const declared = (await status()).nodes.find(({ id }) => id === node);
  assert.equal(declared?.resources.total["gpus"], 2);
  assert.deepEqual(replicas.map(({ gpus }) => gpus.join()).sort(), ["gpu-0", "gpu-0", "gpu-1", "gpu-1"]);

  const seen = new Map<number, string>();
  await eventually(async () => {
    const { body } = await post(`${String(head.http)}/half`, {});
    const { pid, gpus } = body as { pid: number; gpus: string };
    seen.set(pid, gpus);
    return seen.size === 4 ? true : undefined;
  });
  for (const { pid, gpus } of replicas) assert.equal(seen.get(pid), gpus.join());
});

test("a replica that fits nowhere is pending, and explain names what is missing on each node", async () => {
  const { code, err } = await deploy("large", "{ resources: { gpus: 3, custom: { tpu: 1 } } }", "--no-wait");
  assert.equal(code, 0, err);
  const explained = await eventually(async () => {
    const { out } = await head.serve(["explain", "large/Where"]);
    return /gpus/.test(out) && /tpu/.test(out) ? out : undefined;
  });
  for (const { id } of (await status()).nodes) assert.match(explained, new RegExp(id));
  const { body } = await post(`${String(head.http)}/spread`, {});
  assert.ok((body as { pid: number }).pid > 0, "another application still answers");
  assert.equal((await head.serve(["delete", "large"])).code, 0);
});

test("GPUs that nvidia-smi lists are found, and each replica sees its own by uuid", async () => {
  const found = ["GPU-aaaa", "GPU-bbbb"];
  const listing = found.map((uuid) => `${uuid}, NVIDIA Test, 24576`).join("\\n");
  const fake = head.project.write("bin/nvidia-smi", `#!/bin/sh\nprintf '${listing}\\n'\n`);
  chmodSync(fake, 0o755);
  const env = { PATH: `${path.dirname(fake)}:${String(process.env["PATH"])}` };
  const node = await startCluster(["--join", String(head.grpc), "--labels", "gpu=found"], { env });
  try {
    const options = '{ numReplicas: 2, resources: { gpus: 1 }, placement: { labels: { gpu: "found" } } }';
    const { code, err } = await deploy("found", options);
    assert.equal(code, 0, err);
    assert.deepEqual((await replicasOf("found")).map(({ gpus }) => gpus.join()).sort(), found);
    const seen = new Set<string>();
    await eventually(async () => {
      const { body } = await post(`${head.http}/found`, {});
      seen.add((body as { gpus: string }).gpus);
      return seen.size === 2 ? true : undefined;
    });
    assert.deepEqual([...seen].sort(), found);
    assert.equal((await head.serve(["delete", "found"])).code, 0);
  } finally {
    await node.close();
  }
});

test("a proxy that is killed costs callers of the other nodes' proxies nothing, and answers again", async () => {
  const [, victim] = others;
  assert.ok(victim);
  const headers = { "content-type": "application/json" };
  const options = { method: "POST", headers, body: "{}", ratePerSecond: 100, timeoutMs: 10_000 } as const;
  const load = startLoad({ ...options, url: `${head.http}/spread` });
  const [proxy] = processesOf(victim.dataDir).filter(({ command }) => command.includes("/proxy/main."));
  assert.ok(proxy);
  process.kill(proxy.pid, "SIGKILL");
  await eventually(async () => {
    const answer = await fetch(`${victim.http}/-/readyz`).catch(() => undefined);
    return answer?.status === 200 && load.sent > 100 ? true : undefined;
  });
  assert.deepEqual((await load.stop()).failures, {});
});

test("replicas of a node that is lost are placed on the others, and the node may come back", async () => {
  const [gone] = others.splice(0, 1);
  assert.ok(gone);
  await gone.close();
  await eventually(async () => {
    const replicas = await replicasOf("spread");
    const ready = replicas.filter(({ state }) => state === "ready");
    return ready.length === 6 && countByNode(ready).join() === "3,3" ? true : undefined;
  }, 30_000);
  const { status: code } = await post(`${String(head.http)}/spread`, {});
  assert.equal(code, 200);
});
