import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../../../core/metric-registry.ts";
import { HeldModels as RouterModels } from "../../../routing/held-models.ts";
import { ModelHolders } from "../../../routing/model-holders.ts";
import { HeldModels } from "../../../worker/replica/held-models.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, type BedReplica } from "../../fake/routing-bed.ts";
import { deploymentEntry } from "../../fake/table.ts";

test("a replica has the models that it told of, and those it was just sent requests for", () => {
  const events: string[] = [];
  const models = new RouterModels({ onModel: (id, isHeld) => events.push(`${isHeld ? "+" : "-"}${id}`) });
  models.tell(["a", "b"]);
  models.sent("b");
  models.sent("c");
  models.sent("c");
  assert.deepEqual([models.count, models.has("a"), models.has("c"), models.has("d")], [3, true, true, false]);
  models.ended("c");
  assert.equal(models.has("c"), true, "another one is on its way");
  models.ended("c");
  models.tell(["c"]);
  assert.deepEqual([models.count, models.has("a"), models.has("b"), models.has("c")], [2, false, true, true]);
  models.sent("c");
  models.tell([]);
  models.ended("b");
  models.ended("c");
  models.ended("c");
  assert.deepEqual([models.count, events], [0, ["+a", "+b", "+c", "-c", "-a", "+c", "-b", "-c"]]);
});

test("who has a model is known by the model, and forgotten with the last", () => {
  const holders = new ModelHolders<string>();
  holders.set("m", "r1", true);
  holders.set("m", "r2", true);
  holders.set("m", "r1", false);
  assert.deepEqual([...holders.of("m")], ["r2"]);
  holders.set("m", "r2", false);
  holders.set("m", "r2", false);
  assert.deepEqual([...holders.of("m")], []);
});

/** Replicas whose models the test says. */
async function fixture(...ids: string[]): Promise<{
  bed: RoutingBed;
  replicas: BedReplica[];
  have: (at: number, ...modelIds: string[]) => void;
}> {
  const bed = new RoutingBed();
  const replicas: BedReplica[] = [];
  const lists: string[][] = [];
  const all: HeldModels[] = [];
  for (const id of ids) {
    const modelIds: string[] = [];
    const cache = { modelIds, attach: () => {}, close: async () => {} };
    const held = new HeldModels([cache], createMetrics().gauge("thornback_models_loaded", { deployment: "d" }));
    lists.push(modelIds);
    all.push(held);
    replicas.push(await bed.replica(id, { maxOngoingRequests: 16 }, held));
  }
  const have = (at: number, ...modelIds: string[]): void => {
    lists[at]?.splice(0, Infinity, ...modelIds);
    all[at]?.changed();
  };
  return { bed, replicas, have };
}

async function connect(
  { bed, replicas }: Awaited<ReturnType<typeof fixture>>,
  routing = "leastOngoing" as const,
): Promise<void> {
  await bed.table([
    deploymentEntry({ routing }),
    ...replicas.map(({ entry }) => ({ kind: "replica", ...entry }) as const),
  ]);
}

const counts = (replicas: readonly BedReplica[]): number[] => replicas.map(({ handler }) => handler.requests.length);

test("a replica tells of its models when a router connects, and whenever they change", async () => {
  const given = await fixture("r1", "r2", "r3");
  const { bed, replicas, have } = given;
  have(1, "m");
  await connect(given);
  bed.send("1", { modelId: "m" });
  await settle();
  assert.deepEqual(counts(replicas), [0, 1, 0]);
  replicas[1]?.handler.requests[0]?.answer("ok");
  have(1);
  have(2, "m");
  await settle();
  bed.send("2", { modelId: "m" });
  await settle();
  assert.deepEqual(counts(replicas), [0, 1, 1]);
});

test("a burst for one model goes to one replica, before that has said that it loads it", async () => {
  const given = await fixture("r1", "r2", "r3");
  await connect(given);
  for (let at = 0; at < 7; at++) given.bed.send(String(at), { modelId: "m" });
  await settle();
  assert.deepEqual(counts(given.replicas).toSorted(), [0, 0, 7]);
});

test("bursts for several models that nobody has go to as many replicas", async () => {
  const given = await fixture("r1", "r2", "r3");
  await connect(given);
  for (let at = 0; at < 9; at++) given.bed.send(String(at), { modelId: `m${at % 3}` });
  await settle();
  assert.deepEqual(counts(given.replicas), [3, 3, 3]);
});

test("what a replica had is forgotten with the link to it, and told again", async () => {
  const given = await fixture("r1", "r2");
  const { bed, replicas, have } = given;
  have(0, "m");
  await connect(given);
  bed.network.breakAll();
  await bed.clock.advanceAsync(1_000);
  bed.send("1", { modelId: "m" });
  await settle();
  assert.deepEqual(counts(replicas), [1, 0]);
});

test("a request that has ended says no more of where its model is", async () => {
  const given = await fixture("r1", "r2");
  const { bed, replicas, have } = given;
  await connect(given);
  bed.send("1", { modelId: "m" });
  await settle();
  const first = counts(replicas).indexOf(1);
  replicas[first]?.handler.requests[0]?.answer("ok");
  // It has not kept the model, but another.
  have(first, "other");
  await settle();
  bed.send("2", { modelId: "m" });
  await settle();
  assert.deepEqual(counts(replicas), [1, 1]);
});
