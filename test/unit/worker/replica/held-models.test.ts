import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_TOLD_MODELS } from "../../../../core/limits.ts";
import { createMetrics } from "../../../../core/metric-registry.ts";
import { helloToWire, modelsFromWire } from "../../../../proto/codec/exchange.ts";
import { FrameConnection } from "../../../../proto/frame/connection.ts";
import { FRAME } from "../../../../proto/frame/frame.ts";
import { HeldModels } from "../../../../worker/replica/held-models.ts";
import { settle } from "../../../fake/manual-clock.ts";
import { RoutingBed } from "../../../fake/routing-bed.ts";

function held(...lists: string[][]): { models: HeldModels; loaded: () => number | undefined; closed: string[][] } {
  const metrics = createMetrics();
  const closed: string[][] = [];
  const caches = lists.map((modelIds) => ({
    modelIds,
    attach: () => {},
    close: async () => void closed.push(modelIds),
  }));
  const models = new HeldModels(caches, metrics.gauge("thornback_models_loaded", { deployment: "d" }));
  return { models, loaded: () => metrics.samples()[0]?.values[0], closed };
}

test("the models of all caches are told, the one used last first, and counted", () => {
  const { models, loaded } = held(["a", "b"], ["c", "b"]);
  assert.deepEqual(models.modelIds, ["b", "a", "c"]);
  models.changed();
  assert.equal(loaded(), 4);
});

test("no more are told than fit a frame", () => {
  const { models } = held(Array.from({ length: MOST_TOLD_MODELS + 5 }, (_, at) => `m${at}`));
  assert.equal(models.modelIds.length, MOST_TOLD_MODELS);
  assert.equal(models.modelIds[0], `m${MOST_TOLD_MODELS + 4}`);
});

test("closing closes every cache", async () => {
  const { models, closed } = held(["a"], ["b"]);
  await models.close();
  assert.deepEqual(closed, [["a"], ["b"]]);
});

test("a router is told when it connects, and once a turn however much changes in it", async () => {
  const bed = new RoutingBed();
  const list = ["a"];
  const { models } = held(list);
  const replica = await bed.replica("r1", {}, models);
  const told: (string[] | undefined)[] = [];
  await bed.network.connect(replica.server.address, (socket) => {
    const listener = {
      onFrame: ({ kind, head }: { kind: number; head: string }) => {
        if (kind === FRAME.MODELS) told.push(modelsFromWire(head));
      },
      onClose: () => {},
    };
    const bounds = { mostHeadBytes: 65_535, mostBodyBytes: 65_535 };
    const connection = new FrameConnection({ socket, defer: queueMicrotask, bounds, listener });
    connection.send(FRAME.HELLO, 0, helloToWire({ replicaId: "r1", callSecret: "secret", linkId: "l", part: "main" }));
    return connection;
  });
  await settle();
  list.push("b");
  models.changed();
  list.shift();
  models.changed();
  await settle();
  assert.deepEqual(told, [["a"], ["b"]]);
});
