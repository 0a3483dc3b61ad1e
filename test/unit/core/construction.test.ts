import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../core/clock.ts";
import {
  construct,
  currentSetting,
  registerBatch,
  registerModel,
  setDefaultSetting,
} from "../../../core/construction.ts";
import type { RegisteredBatch, RegisteredModel } from "../../../core/construction.ts";

function model(name: string): RegisteredModel {
  const nothing = (): Promise<void> => Promise.resolve();
  const steps = { load: nothing, warmup: nothing, selfTest: nothing, close: nothing };
  return { name, owner: {}, provider: () => "", ...steps };
}

const batchOf = (maxBatchSize: number): RegisteredBatch => ({
  call: undefined,
  maxBatchSize,
  isChoosing: false,
  report: () => undefined,
  work: () => undefined,
  attach() {},
});
const setting = (applicationDir: string) => ({
  clock: systemClock,
  applicationDir,
  packageDirs: [],
  cpus: 1,
  log: undefined,
});

test("what is made while a constructor runs registers with it, in order", () => {
  const { instance, registered } = construct(() => {
    registerModel(model("a"));
    registerBatch(batchOf(4));
    registerModel(model("b"));
    return "made";
  });
  assert.equal(instance, "made");
  assert.deepEqual(
    registered.models.map(({ name }) => name),
    ["a", "b"],
  );
  assert.equal(registered.batches[0]?.maxBatchSize, 4);
});

test("a construction inside another keeps its own, and one that throws leaves no scope behind", () => {
  const outer = construct(() => {
    registerModel(model("outer"));
    const inner = construct(() => registerModel(model("inner")));
    assert.throws(() => construct(() => assert.fail("thrown")));
    registerModel(model("outer again"));
    return inner.registered.models.map(({ name }) => name);
  });
  assert.deepEqual(outer.instance, ["inner"]);
  assert.deepEqual(
    outer.registered.models.map(({ name }) => name),
    ["outer", "outer again"],
  );
});

test("outside a construction registering does nothing", () => {
  registerModel(model("lone"));
  assert.deepEqual(construct(() => undefined).registered.models, []);
});

test("the innermost setting counts, then the process's", () => {
  assert.equal(currentSetting(), undefined);
  setDefaultSetting(setting("/process"));
  construct(() => assert.equal(currentSetting()?.applicationDir, "/own"), setting("/own"));
  construct(() => assert.equal(currentSetting()?.applicationDir, "/process"));
  setDefaultSetting(undefined);
});
