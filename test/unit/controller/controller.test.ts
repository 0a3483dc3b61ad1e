import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Controller } from "../../../controller/controller.ts";
import { applicationView } from "../../../controller/service/status-view.ts";
import type { BlobStore } from "../../../controller/state/blob-store.ts";
import { RouteConflictError } from "../../../core/error.ts";
import type { ApplicationName } from "../../../core/ids.ts";
import { LOAD_REPORT_MS, NODE_LOST_AFTER_MS } from "../../../core/limits.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import { seededRandom } from "../../../core/random.ts";
import type { ApplicationSpec } from "../../../core/spec.ts";
import type { ApplicationStatusView } from "../../../core/status.ts";
import { applicationSpec, idOf } from "../../fake/cluster-fixture.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { MemoryStore } from "../../fake/memory-store.ts";
import { ObedientWorker, type ObedientWorkerOptions } from "../../fake/obedient-worker.ts";
import { RecordingLog } from "../../fake/recording-log.ts";
import { autoscalingSpec } from "../../fake/scaling-fixture.ts";

const NO_BLOBS: BlobStore = {
  has: () => Promise.resolve(true),
  read: () => Promise.reject(new Error("no blobs here")),
  write: () => Promise.resolve(),
  list: () => Promise.resolve([]),
  delete: () => Promise.resolve(),
};

class World {
  readonly clock = new ManualClock();
  readonly log = new RecordingLog();
  readonly store: MemoryStore;
  readonly workers: ObedientWorker[] = [];
  #controller: Controller | undefined;

  constructor(store = new MemoryStore()) {
    this.store = store;
  }

  get controller(): Controller {
    assert.ok(this.#controller);
    return this.#controller;
  }

  async start(): Promise<this> {
    const { clock, log, store } = this;
    const random = seededRandom(1);
    this.#controller = await Controller.start({ clock, random, log, metrics: createMetrics(), store, blobs: NO_BLOBS });
    return this;
  }

  worker(node: string, options?: ObedientWorkerOptions): ObedientWorker {
    const worker = new ObedientWorker(node, options);
    this.workers.push(worker);
    worker.connect(this.controller.service);
    return worker;
  }

  /** Time passes, and workers that are connected say that they live. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      for (const worker of this.workers) worker.heartbeat();
      await this.clock.advanceAsync(Math.min(left, 500));
    }
  }

  async deploy(spec: ApplicationSpec) {
    return this.controller.deploy({ spec, secrets: {} }, { isPlan: false });
  }

  status(name: string): ApplicationStatusView | undefined {
    const state = this.controller.snapshot();
    const application = state.applications.get(name as ApplicationName);
    return application === undefined ? undefined : applicationView(state, application);
  }
}

/** A disk on which writes to applications fail while it is full; it is given more room after so many attempts. */
class FullStore extends MemoryStore {
  isFull = false;
  failures = 0;

  override put(key: string, value: string, expectRevision?: number): Promise<number> {
    if (!this.isFull || !key.startsWith("application/")) return super.put(key, value, expectRevision);
    if (++this.failures >= 50) this.isFull = false;
    return Promise.reject(new Error("ENOSPC: no space left on device"));
  }
}

/** A disk that is slow when it is told to be. */
class SlowStore extends MemoryStore {
  held: Promise<void> = Promise.resolve();

  override async put(key: string, value: string, expectRevision?: number): Promise<number> {
    await this.held;
    return super.put(key, value, expectRevision);
  }
}

const app = (version: string, replicas = 1): ApplicationSpec => applicationSpec("app", { D: { version, replicas } });

describe("the controller", () => {
  it("serves a deploy: assigned, ready, in the table, running", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    await world.deploy(app("v1"));
    await world.pass(1_000);
    assert.equal(world.status("app")?.status, "running");
    assert.equal(worker.listed("v1").length, 1);
    assert.deepEqual([...worker.table.keys()].map((key) => key.split("/")[0]).sort(), [
      "deployment",
      "replica",
      "route",
    ]);
    assert.equal(worker.updates[0]?.kind, "snapshot");
  });

  it("changes nothing for a second identical deploy", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    await world.deploy(app("v1"));
    await world.pass(1_000);
    const [before] = worker.replicas.keys();
    const messages = worker.messages.length;
    assert.deepEqual((await world.deploy(app("v1"))).unchanged, ["D"]);
    await world.pass(1_000);
    assert.deepEqual([...worker.replicas.keys()], [before]);
    assert.equal(worker.messages.length, messages);
  });

  it("rolls a new version by surge, with at least the target in the table at any time", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    await world.deploy(app("v1", 4));
    await world.pass(1_000);
    const listedAtLeast: number[] = [];
    const seen = worker.updates.length;
    assert.deepEqual((await world.deploy(app("v2", 4))).changed, ["D"]);
    for (let i = 0; i < 20; i++) {
      await world.pass(500);
      listedAtLeast.push(worker.listed().length);
    }
    assert.ok(Math.min(...listedAtLeast) >= 4, `listed: ${listedAtLeast.join(" ")}`);
    assert.ok(worker.updates.length > seen);
    assert.equal(worker.listed("v2").length, 4);
    assert.equal(worker.listed("v1").length, 0);
    assert.equal(worker.replicas.size, 4);
    assert.equal(world.status("app")?.status, "running");
  });

  it("spreads six replicas 2/2/2 over three equal nodes, and again after a rollout", async () => {
    const world = await new World().start();
    const workers = ["n1", "n2", "n3"].map((node) => world.worker(node));
    await world.deploy(app("v1", 6));
    await world.pass(1_000);
    assert.deepEqual(
      workers.map(({ replicas }) => replicas.size),
      [2, 2, 2],
    );
    await world.deploy(app("v2", 6));
    await world.pass(10_000);
    assert.deepEqual(
      workers.map(({ replicas }) => replicas.size),
      [2, 2, 2],
    );
    assert.deepEqual(workers[0]?.listed("v2").length, 6);
  });

  it("gives up a version that cannot start, with the first cause, and keeps the one that served", async () => {
    const world = await new World().start();
    const worker = world.worker("n1", { failure: ({ version }) => (version === "bad" ? "app.ts:3: boom" : undefined) });
    await world.deploy(app("v1", 2));
    await world.pass(1_000);
    const before = [...worker.replicas.keys()];
    await world.deploy(app("bad", 2));
    await world.pass(3_000);
    const status = world.status("app");
    assert.equal(status?.status, "deploy_failed");
    assert.match(status?.reason ?? "", /^D: app\.ts:3: boom/);
    assert.deepEqual([...worker.replicas.keys()], before);
    assert.equal(worker.listed("v1").length, 2);

    worker.options = {};
    await world.deploy(app("bad", 2));
    await world.pass(5_000);
    assert.equal(world.status("app")?.status, "running");
    assert.equal(worker.listed("bad").length, 2);
  });

  it("says failed in the table when a first version cannot start", async () => {
    const world = await new World().start();
    const worker = world.worker("n1", { failure: () => "app.ts:3: boom" });
    await world.deploy(app("v1"));
    await world.pass(2_000);
    assert.equal(world.status("app")?.status, "deploy_failed");
    assert.equal(worker.replicas.size, 0);
    const entry = worker.table.get("deployment/app/D");
    assert.ok(entry?.kind === "deployment");
    assert.equal(entry.availability, "failed");
    assert.equal(entry.reason, "app.ts:3: boom");
  });

  it("waits for a router that does not acknowledge no longer than two seconds", async () => {
    const world = await new World().start();
    const worker = world.worker("n1", { acknowledges: false });
    await world.deploy(app("v1"));
    await world.pass(1_000);
    assert.equal(world.status("app")?.status, "deploying");
    await world.pass(3_000);
    assert.equal(world.status("app")?.status, "running");
    await world.deploy(app("v2"));
    await world.pass(8_000);
    assert.deepEqual(worker.listed("v2").length, 1);
    assert.equal(worker.replicas.size, 1);
  });

  it("places a lost node's replicas elsewhere, and lets go of the surplus when it is back", async () => {
    const world = await new World().start();
    const [one, two] = [world.worker("n1"), world.worker("n2")];
    await world.deploy(app("v1", 2));
    await world.pass(1_000);
    assert.deepEqual([one.replicas.size, two.replicas.size], [1, 1]);
    one.disconnect();
    await world.pass(6_500);
    assert.equal(two.replicas.size, 2);
    assert.equal(world.controller.snapshot().nodes.get(one.node)?.state, "lost");
    one.connect(world.controller.service);
    await world.pass(3_000);
    assert.equal(one.replicas.size + two.replicas.size, 2);
    assert.equal(two.listed("v1").length, 2);
    assert.equal(world.status("app")?.status, "running");
  });

  it("adopts what runs when it starts again: same replicas, no assignment changed, a newer epoch", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    await world.deploy(app("v1", 2));
    await world.pass(1_000);
    const before = [...worker.replicas.keys()];
    await world.controller.close();
    worker.disconnect();
    const firstEpoch = worker.updates[0]?.epoch ?? 0;
    await world.start();
    worker.updates.length = 0;
    await world.clock.advanceAsync(1_000);
    assert.equal(worker.updates.length, 0);
    worker.connect(world.controller.service);
    await world.pass(15_000);
    assert.deepEqual([...worker.replicas.keys()], before);
    assert.equal(worker.updates[0]?.epoch, firstEpoch + 1);
    assert.equal(worker.updates[0]?.upserts.filter(({ kind }) => kind === "replica").length, 2);
    assert.equal(world.status("app")?.status, "running");
  });

  it("stops what desired state does not know only after the recovery grace", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    await world.deploy(app("v1"));
    await world.pass(1_000);
    await world.controller.close();
    worker.disconnect();
    const [stored] = await world.store.list("application/");
    await world.store.delete(stored?.key ?? "");
    await world.start();
    worker.connect(world.controller.service);
    await world.pass(9_000);
    assert.equal(worker.replicas.size, 1);
    await world.pass(6_000);
    assert.equal(worker.replicas.size, 0);
  });

  it("does not take its own stand-still for the silence of its nodes", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    await world.deploy(app("v1"));
    await world.pass(1_000);
    const [before] = worker.replicas.keys();
    // What a stopped process sees when it goes on: much later, and one timer runs before any message.
    const timersLateBy = 30_000;
    world.clock.jump(timersLateBy);
    await world.clock.advanceAsync(10);
    await world.pass(2_000);
    assert.deepEqual([...worker.replicas.keys()], [before]);
    assert.equal(world.controller.snapshot().nodes.get(worker.node)?.state, "live");
  });

  it("drains and forgets a deleted application", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    await world.deploy(app("v1", 2));
    await world.pass(1_000);
    await world.controller.delete("app" as ApplicationName);
    assert.equal(world.status("app")?.status, "deleting");
    await world.pass(4_000);
    assert.equal(world.status("app"), undefined);
    assert.equal(worker.replicas.size, 0);
    assert.equal(worker.table.size, 0);
    assert.deepEqual(await world.store.list("application/"), []);
    assert.ok([...worker.assigned.values()].every(({ desired }) => desired === "drain"));
  });

  it("refuses a route prefix that another application has, naming both", async () => {
    const world = await new World().start();
    world.worker("n1");
    await world.deploy(app("v1"));
    const other = applicationSpec("other", { D: {} });
    await assert.rejects(world.deploy(other), (error: unknown) => {
      return error instanceof RouteConflictError && /"other".*"app"/.test(error.message);
    });
  });

  it("tells what a deploy would change without changing it", async () => {
    const world = await new World().start();
    world.worker("n1");
    await world.deploy(app("v1"));
    await world.pass(1_000);
    const plan = await world.controller.deploy({ spec: app("v2"), secrets: {} }, { isPlan: true });
    assert.deepEqual(plan.changed, ["D"]);
    await world.pass(1_000);
    assert.equal(world.status("app")?.deployments[0]?.replicas[0]?.version, "v1");
  });

  it("refuses a worker that has obeyed a later controller", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    const registration = {
      node: worker.node,
      incarnation: 9,
      resources: { cpus: 1, memoryBytes: 1, gpus: [], custom: {} },
      labels: {},
      replicas: [],
      epoch: 4_000_000_000,
    };
    const closed: string[] = [];
    const stream = world.controller.service.connect({ send: () => undefined, close: (reason) => closed.push(reason) });
    stream.onMessage({ kind: "register", registration });
    assert.match(closed[0] ?? "", /epoch \d+ is over/);
  });

  it("collects from every node", async () => {
    const world = await new World().start();
    world.worker("n1");
    world.worker("n2");
    const answers = await world.controller.streams.collect({ kind: "metrics" }, 1_000);
    assert.deepEqual(
      answers.map(({ text }) => text),
      ["metrics of n1", "metrics of n2"],
    );
  });

  it("tries what the store refuses again every second, not as fast as it can", async () => {
    const store = new FullStore();
    const world = await new World(store).start();
    const worker = world.worker("n1");
    await world.deploy(app("v1"));
    store.isFull = true;
    await world.pass(3_000);
    assert.equal(worker.listed("v1").length, 1);
    assert.equal(world.status("app")?.status, "deploying");
    assert.ok(store.failures >= 2 && store.failures <= 8, `${store.failures} attempts in 3 s`);
    store.isFull = false;
    await world.pass(2_000);
    assert.equal(world.status("app")?.status, "running");
  });

  it("forgets a node that did not come back, so that the next start need not wait for it", async () => {
    const world = await new World().start();
    const [worker, gone] = [world.worker("n1"), world.worker("n2")];
    await world.pass(1_000);
    await world.controller.close();
    worker.disconnect();
    gone.disconnect();
    world.workers.pop();
    await world.start();
    worker.connect(world.controller.service);
    await world.pass(4_000);
    assert.deepEqual(
      (await world.store.list("node/")).map(({ key }) => key),
      ["node/n1"],
    );
  });

  it("keeps a node in use that registers while the end of its draining is being stored", async () => {
    const store = new SlowStore();
    const world = await new World(store).start();
    const worker = world.worker("n1");
    await world.pass(500);
    await world.controller.operations.drainNode("n1", 60_000);
    const { promise, resolve } = Promise.withResolvers<void>();
    store.held = promise;
    const undrained = world.controller.operations.undrainNode("n1");
    await world.clock.advanceAsync(0);
    worker.disconnect();
    worker.connect(world.controller.service);
    resolve();
    await undrained;
    await world.pass(500);
    await world.controller.close();
    await world.start();
    assert.equal(world.controller.snapshot().drains.size, 0);
  });

  const SCALES = applicationSpec("app", { D: { options: { autoscaling: autoscalingSpec() } } });
  const D = idOf("app", "D");

  it("looks at loads no more often than routers tell, however often it decides", async () => {
    const world = await new World().start();
    const worker = world.worker("n1");
    await world.deploy(SCALES);
    await world.pass(2_000);
    const [id] = worker.replicas.keys();
    assert.ok(id !== undefined);
    for (let i = 0; i < 100; i++) {
      worker.loads([{ deployment: D, queued: 0, ongoingMean: 1, arrived: 1, answered: 1, versions: [] }]);
      worker.report(id, { restarts: i });
      await world.clock.advanceAsync(20);
    }
    await world.pass(1_000);
    const samples = world.controller.snapshot().loads.get(D)?.samples ?? [];
    const shortest = Math.min(...samples.map(({ ms }) => ms));
    assert.ok(shortest >= LOAD_REPORT_MS, `a look ${shortest} ms after the one before`);
    const arrived = samples.reduce((sum, one) => sum + one.arrived, 0);
    assert.equal(arrived, 100);
  });

  it("forgets the load of a node that it takes for lost", async () => {
    const world = await new World().start();
    world.worker("n1");
    const other = world.worker("n2");
    await world.deploy(SCALES);
    await world.pass(1_000);
    const load = { deployment: D, queued: 0, ongoingMean: 2, arrived: 0, answered: 0, versions: [] };
    other.loads([load]);
    world.workers.pop();
    const ongoing = (): number | undefined => world.controller.snapshot().loads.get(D)?.samples.at(-1)?.ongoing;
    await world.pass(1_500);
    assert.equal(ongoing(), 2);
    await world.pass(NODE_LOST_AFTER_MS + 2_000);
    assert.equal(ongoing(), 0);
    other.loads([load]);
    await world.pass(1_500);
    assert.equal(ongoing(), 0, "it must register first");
  });
});
