import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Controller } from "../../../../controller/controller.ts";
import { clusterStatus } from "../../../../controller/service/status-view.ts";
import type { BlobStore } from "../../../../controller/state/blob-store.ts";
import { createMetrics } from "../../../../core/metric-registry.ts";
import { seededRandom } from "../../../../core/random.ts";
import type { NodeStatusView } from "../../../../core/status.ts";
import { applicationSpec } from "../../../fake/cluster-fixture.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { MemoryStore } from "../../../fake/memory-store.ts";
import { ObedientWorker, type ObedientWorkerOptions } from "../../../fake/obedient-worker.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const NO_BLOBS: BlobStore = {
  has: () => Promise.resolve(true),
  read: () => Promise.reject(new Error("no blobs here")),
  write: () => Promise.resolve(),
  list: () => Promise.resolve([]),
  delete: () => Promise.resolve(),
};
const app = (version: string, replicas: number) => applicationSpec("app", { D: { version, replicas } });

async function world(nodes: Readonly<Record<string, ObedientWorkerOptions>>) {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const metrics = createMetrics();
  const deps = { clock, store, metrics, log: new RecordingLog(), random: seededRandom(1), blobs: NO_BLOBS };
  let controller = await Controller.start(deps);
  const workers = Object.entries(nodes).map(([name, options]) => new ObedientWorker(name, options));
  for (const worker of workers) worker.connect(controller.service);
  const state = () => clusterStatus(controller.snapshot(), { self: "c", storeProblems: [] });
  return {
    metrics,
    state,
    controller: () => controller,
    node: (id: string): NodeStatusView | undefined => state().nodes.find((one) => one.id === id),
    listedOn: (index: number): number =>
      [...(workers[0]?.table.values() ?? [])].filter(
        (entry) => entry.kind === "replica" && entry.node === workers[index]?.node,
      ).length,
    messages: (index: number) => workers[index]?.messages ?? [],
    worker: (index: number) => workers[index],
    deploy: (version: string, replicas: number) =>
      controller.deploy({ spec: app(version, replicas), secrets: {} }, { isPlan: false }),
    pass: async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 500) {
        for (const worker of workers) worker.heartbeat();
        await clock.advanceAsync(Math.min(left, 500));
      }
    },
    restart: async (): Promise<void> => {
      await controller.close();
      for (const worker of workers) worker.disconnect();
      controller = await Controller.start(deps);
      for (const worker of workers) worker.connect(controller.service);
    },
  };
}

function isDrained(on: Awaited<ReturnType<typeof world>>, index: number): boolean {
  const last = on.messages(index).findLast((message) => message.kind === "assign");
  return last?.kind === "assign" && last.assignment.isDrained === true;
}

describe("draining a node", () => {
  it("replaces everything elsewhere first, then empties it, tells its proxies, and takes nothing new", async () => {
    const on = await world({ n1: {}, n2: {} });
    await on.deploy("v1", 4);
    await on.pass(1_000);
    assert.equal(on.listedOn(1), 2);
    await on.controller().operations.drainNode("n2", 120_000);
    // All replacements at once, and only then the leaving: at no moment are there fewer than four.
    let least = 4;
    for (let turn = 0; turn < 20; turn++) {
      await on.pass(100);
      least = Math.min(least, on.listedOn(0) + on.listedOn(1));
    }
    assert.equal(least, 4);
    assert.deepEqual([on.listedOn(0), on.listedOn(1)], [4, 0]);
    const { state, reason, replicas } = on.node("n2") ?? {};
    assert.deepEqual([state, reason, replicas], ["draining", "drained: nothing runs on it", 0]);
    assert.equal(isDrained(on, 1), true);
    await on.deploy("v2", 6);
    await on.pass(5_000);
    assert.deepEqual([on.listedOn(0), on.listedOn(1)], [6, 0]);
  });

  it("goes on after a restart of the controller, and ends with undrain", async () => {
    const on = await world({ n1: {}, n2: {} });
    await on.deploy("v1", 2);
    await on.controller().operations.drainNode("n2", 120_000);
    await on.restart();
    await on.pass(15_000);
    assert.equal(on.node("n2")?.state, "draining");
    assert.equal(on.listedOn(1), 0);
    await on.controller().operations.undrainNode("n2");
    await on.pass(1_000);
    assert.equal(on.node("n2")?.state, "live");
    assert.equal(isDrained(on, 1), false);
    await on.deploy("v2", 4);
    await on.pass(5_000);
    assert.equal(on.listedOn(1), 2);
    await on.restart();
    await on.pass(1_000);
    assert.equal(on.node("n2")?.state, "live");
  });

  it("empties it by the deadline where nothing else has room, and says what is missing until then", async () => {
    const on = await world({ n1: { resources: { cpus: 0.1 } }, n2: {} });
    await on.deploy("v1", 2);
    await on.pass(1_000);
    assert.deepEqual([on.listedOn(0), on.listedOn(1)], [1, 1]);
    await on.controller().operations.drainNode("n2", 60_000);
    await on.pass(39_000);
    assert.deepEqual([on.listedOn(0), on.listedOn(1)], [1, 1]);
    assert.equal(on.node("n2")?.reason, "drains: 1 replica left");
    const gauge = () => on.metrics.samples().find(({ name }) => name === "thornback_pending_resources")?.values[0];
    assert.equal(gauge(), 0.1);
    await on.pass(2_000);
    assert.deepEqual([on.listedOn(0), on.listedOn(1)], [1, 0]);
    await on.controller().operations.undrainNode("n2");
    await on.pass(1_000);
    assert.deepEqual([on.listedOn(0), on.listedOn(1)], [1, 1]);
    assert.equal(gauge(), 0);
  });

  it("happens by itself when its worker is about to end, until one registers again", async () => {
    const on = await world({ n1: {}, n2: {} });
    await on.deploy("v1", 2);
    await on.pass(1_000);
    const worker = on.worker(1);
    assert.ok(worker);
    worker.options = { isLeaving: true };
    await on.pass(1_000);
    assert.deepEqual([on.listedOn(0), on.listedOn(1)], [2, 0]);
    assert.equal(on.node("n2")?.state, "draining");
    worker.disconnect();
    worker.options = {};
    worker.connect(on.controller().service);
    await on.pass(1_000);
    assert.equal(on.node("n2")?.state, "live");
  });

  it("is refused for a node that nobody knows, and without a sensible deadline", async () => {
    const on = await world({ n1: {} });
    await assert.rejects(on.controller().operations.drainNode("n9", 1), /there is no node "n9"/);
    assert.throws(() => on.controller().operations.drainNode("n1", -1), /deadlineMs must be/);
  });
});

describe("changes by hand", () => {
  it("scale a deployment until a deploy names another count", async () => {
    const on = await world({ n1: {} });
    await on.deploy("v1", 2);
    const { operations } = on.controller();
    assert.deepEqual(await operations.scale("app", "D", 4), { isAutoscaled: false });
    await on.pass(1_000);
    assert.equal(on.listedOn(0), 4);
    await on.deploy("v2", 2);
    await on.pass(5_000);
    assert.equal(on.listedOn(0), 4);
    await on.deploy("v2", 1);
    await on.pass(5_000);
    assert.equal(on.listedOn(0), 1);
    await assert.rejects(operations.scale("app", "None", 1), { code: "deployment_not_found" });
    assert.throws(() => operations.scale("app", "D", 1.5), { code: "invalid_request" });
    await on.controller().delete(app("v1", 1).name);
    await assert.rejects(operations.scale("app", "D", 1), { code: "application_deleting" });
  });

  it("roll an application back to what served before, and list what is kept when there is no such version", async () => {
    const on = await world({ n1: {} });
    const { operations } = on.controller();
    for (const version of ["v1", "v2"]) {
      await on.deploy(version, 1);
      await on.pass(5_000);
    }
    assert.throws(
      () => operations.earlierRelease("app", "nosuch"),
      /no such version; kept are \w+ \(the current one\), \w+/,
    );
    const input = operations.earlierRelease("app", undefined);
    assert.equal(input.spec.deployments[0]?.version, "v1");
    await on.controller().deploy(input, { isPlan: false });
    await on.pass(5_000);
    assert.equal(on.state().applications[0]?.deployments[0]?.replicas[0]?.version, "v1");
    assert.equal(operations.earlierRelease("app", undefined).spec.deployments[0]?.version, "v2");
  });
});
